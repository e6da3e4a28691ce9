/* Keeper: grants: who may start agents of which types. A grant is one row. */
#include "certmgr/keeper.h"

#include "lib/grant_call.h"

#include <stdlib.h>
#include <string.h>

/* One being added or removed, until the store has it. */
struct change {
	struct call call;
	struct grant *grant; /* NULL: removed */
	uint64_t id;
};

enum err grant_load(uint64_t row, struct attr_view v, struct fault *f)
{
	struct grant *g;
	enum err e;

	TRY(grant_parse(v, &g, f));
	g->id = row;
	e = grant_kept_check(g, true, f);
	if (e == OK)
		e = grant_set_add(keeper.grants, g);
	if (e != OK)
		grant_free(g);
	return e;
}

static void record(const struct call *c, const char *event, uint64_t id,
		   struct attr_view text)
{
	const struct conn *conn = call_conn(c);
	struct attrs what;
	struct fault f;

	attrs_init(&what);
	ENSURE(attrs_add_str(&what, "event", event) == OK);
	ENSURE(attrs_add_u64(&what, "grant", id) == OK);
	if (text.len)
		(void)!grant_add_limits(&what, text);
	if (conn)
		(void)!attrs_add_view(&what, attrs_view(&conn->said));
	call_named(c, &what);
	(void)!audit_link_record(keeper.audit, attrs_view(&what), AUDIT_ADMIN,
				 NULL, &f);
	attrs_wipe(&what);
}

static void done(void *arg, const struct fault *why)
{
	struct change *ch = arg;
	struct attrs r;

	if (why) {
		call_fault(&ch->call, why);
		grant_free(ch->grant);
		free(ch);
		return;
	}
	attrs_init(&r);
	if (ch->grant) {
		ENSURE(grant_set_add(keeper.grants, ch->grant) == OK);
		ENSURE(attrs_add_u64(&r, "id", ch->id) == OK);
		record(&ch->call, "grant.add", ch->id, ch->grant->text);
	} else {
		(void)!grant_set_drop(keeper.grants, ch->id);
		record(&ch->call, "grant.remove", ch->id,
		       (struct attr_view){ 0 });
	}
	call_reply(&ch->call, &r);
	attrs_wipe(&r);
	free(ch);
}

static void change(const struct call *c, struct grant *g, uint64_t id)
{
	struct change *ch = xcalloc(1, sizeof *ch);

	ch->call = *c;
	ch->grant = g;
	ch->id = id;
	rows_grant(id, g ? g->text : (struct attr_view){ 0 }, done, ch);
}

void verb_grant_add(const struct call *c, struct attr_view v)
{
	struct grant *g = NULL;
	struct attr_view text;
	struct fault f;

	if (keeper_open(&f) != OK || call_list(v, "grant", &text, &f) != OK ||
	    grant_parse(text, &g, &f) != OK ||
	    grant_kept_check(g, true, &f) != OK) {
		grant_free(g);
		call_fault(c, &f);
		return;
	}
	g->id = rows_next();
	change(c, g, g->id);
}

void verb_grant_remove(const struct call *c, struct attr_view v)
{
	struct fault f;
	uint64_t id;

	if (keeper_open(&f) != OK ||
	    call_number(v, "id", 0, INT64_MAX, &id, &f) != OK) {
		call_fault(c, &f);
	} else if (!grant_set_find(keeper.grants, id)) {
		(void)fault_set(&f, ERR_NOT_FOUND,
				"there is no grant agent/%llu",
				(unsigned long long)id);
		call_fault(c, &f);
	} else {
		change(c, NULL, id);
	}
}

/* `*` is of every type. */
static bool of_type(const struct grant *g, const char *type)
{
	struct span_set set = g->set[GRANT_AGENT];
	size_t n = strlen(type);

	for (unsigned i = 0; i < set.count; i++)
		if ((set.item[i].len == n && !memcmp(set.item[i].p, type, n)) ||
		    set.item[i].p[0] == '*')
			return true;
	return false;
}

void verb_grant_list(const struct call *c, struct attr_view v)
{
	char type[TYPE_MAX + 1] = "";
	struct fault f;
	enum err e = call_text(v, "agent", type, sizeof type, &f);

	if (e != OK && e != ERR_NOT_FOUND) {
		call_fault(c, &f);
		return;
	}
	grants_list(c, keeper.grants, type[0] ? of_type : NULL, type);
}

/* test */

/* What door would say, as the tester wrote it. */
static void believe(struct proof *p, const struct subject *s,
		    const struct grant_decision *d)
{
	bool same = d->exe.len && s->exe && strlen(s->exe) == d->exe.len &&
		    !memcmp(s->exe, d->exe.p, d->exe.len);

	proof_set(p, d->exe.p, d->exe.len, true, same);
}

static void explain(const struct call *c, const struct subject *s,
		    const char *type)
{
	struct proof proof = { 0 };
	struct grant_request rq = { .agent = type, .proof = &proof };
	struct grant_decision d;
	struct attrs r;
	struct buf text;

	grants_admit(keeper.grants, s, &rq, clock_wall(), &d);
	while (d.verdict == GRANT_NEEDS_ALIVE || d.verdict == GRANT_NEEDS_EXE) {
		believe(&proof, s, &d);
		grants_admit(keeper.grants, s, &rq, clock_wall(), &d);
	}
	attrs_init(&r);
	buf_init(&text, 64 << 10);
	ENSURE(attrs_add_str(&r, "decision",
			     d.verdict == GRANT_ALLOW ? "allow" : "deny") ==
	       OK);
	if (d.verdict == GRANT_ALLOW)
		ENSURE(attrs_add_u64(&r, "grant", d.grant->id) == OK);
	else
		ENSURE(attrs_add_str(&r, "text", d.why.text) == OK);
	if (grants_explain(keeper.grants, s, &rq, clock_wall(), &text) == OK &&
	    text.len)
		ENSURE(attrs_add(&r, "reason", 0, text.p, text.len) == OK);
	call_reply(c, &r);
	buf_wipe(&text);
	attrs_wipe(&r);
	proof_wipe(&proof);
}

void verb_grant_test(const struct call *c, struct attr_view v)
{
	char type[TYPE_MAX + 1];
	struct attr_view who;
	struct subject s = { 0 };
	struct fault f;

	if (call_need(v, "agent", type, sizeof type, &f) != OK ||
	    call_list(v, "subject", &who, &f) != OK ||
	    subject_parse(who, &s, &f) != OK) {
		call_fault(c, &f);
		return;
	}
	explain(c, &s, type);
	subject_wipe(&s);
}
