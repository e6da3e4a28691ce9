/* Many grants and the decision over them. Used by vault and by tests; holds no
 * secret. A decision merges, by age, the few lists of the index its subject is in. */
#include "lib/grant_set.h"

#include "lib/agent_id.h"
#include "lib/dns_name.h"
#include "lib/grant_index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	NAMES_MAX = 2, /* a type, and all types */
	LISTS_MAX = NAMES_MAX * (SUBJECT_GIDS_MAX + 2)
};

/* Grants by id, in ascending order. */
struct grant_set {
	struct grant_array all;
	struct grant_index *index;
};

struct grant_set *grant_set_new(void)
{
	struct grant_set *set = xcalloc(1, sizeof *set);

	set->index = grant_index_new();
	return set;
}

void grant_set_free(struct grant_set *set)
{
	if (!set)
		return;
	grant_index_free(set->index);
	for (size_t i = 0; i < set->all.count; i++)
		grant_free(set->all.item[i]);
	free(set->all.item);
	free(set);
}

static struct grant *set_find(const struct grant_set *set, uint64_t id)
{
	size_t at = grant_array_place(&set->all, id);

	if (at == set->all.count || set->all.item[at]->id != id)
		return NULL;
	return set->all.item[at];
}

enum err grant_set_add(struct grant_set *set, struct grant *g)
{
	if (set_find(set, g->id))
		return ERR_EXISTS;
	grant_array_add(&set->all, g);
	grant_index_add(set->index, g);
	return OK;
}

enum err grant_set_drop(struct grant_set *set, uint64_t id)
{
	struct grant *g = set_find(set, id);

	if (!g)
		return ERR_NOT_FOUND;
	grant_index_drop(set->index, g);
	grant_array_drop(&set->all, id);
	grant_free(g);
	return OK;
}

const struct grant *grant_set_find(const struct grant_set *set, uint64_t id)
{
	return set_find(set, id);
}

size_t grant_set_count(const struct grant_set *set)
{
	return set->all.count;
}

const struct grant *grant_set_at(const struct grant_set *set, size_t i)
{
	ENSURE(i < set->all.count);
	return set->all.item[i];
}

/* Candidates: the lists a subject is in, merged by age. */

struct candidates {
	const struct grant_array *list[LISTS_MAX];
	size_t at[LISTS_MAX];
	unsigned count;
};

static void candidates_add(struct candidates *c, const struct grant_set *set,
			   const struct grant_key *k)
{
	const struct grant_array *l = grant_index_find(set->index, k);

	if (!l)
		return;
	ENSURE(c->count < LISTS_MAX);
	c->at[c->count] = 0;
	c->list[c->count++] = l;
}

static void candidates_text(struct candidates *c, const struct grant_set *set,
			    struct grant_key k, enum grant_key_kind kind,
			    const char *text)
{
	if (!text)
		return;
	k.kind = kind;
	k.text = (struct piece){ text, (uint32_t)strlen(text) };
	candidates_add(c, set, &k);
}

static void candidates_local(struct candidates *c, const struct grant_set *set,
			     const struct subject *s, struct grant_key k)
{
	struct grant_key id = k;

	id.kind = GRANT_KEY_UID;
	id.id = s->uid;
	candidates_add(c, set, &id);
	id.kind = GRANT_KEY_GID;
	for (unsigned i = 0;
	     i < s->gid_count && grant_index_knows(set->index, GRANT_KEY_GID);
	     i++) {
		id.id = s->gids[i];
		candidates_add(c, set, &id);
	}
	candidates_text(c, set, k, GRANT_KEY_UNIT, s->unit);
}

static void candidates_remote(struct candidates *c, const struct grant_set *set,
			      const struct subject *s, struct grant_key k)
{
	const struct subject_cert *cert = &s->cert;

	candidates_text(c, set, k, GRANT_KEY_CERT_UID, cert->uid);
	for (unsigned i = 0; i < cert->caps; i++)
		candidates_text(c, set, k, GRANT_KEY_CERT_CAP, cert->cap[i]);
	candidates_text(c, set, k, GRANT_KEY_CERT_OU, cert->ou);
	candidates_text(c, set, k, GRANT_KEY_CERT_O, cert->o);
}

/* The lists of one name. */
static void candidates_named(struct candidates *c, const struct grant_set *set,
			     const struct subject *s, bool agent,
			     const char *name)
{
	size_t n = strlen(name);
	struct grant_key k = { .agent = agent, .name = { name, (uint32_t)n } };

	if (n > GRANT_CREDENTIAL_MAX)
		return;
	if (s->via == VIA_TLS)
		candidates_remote(c, set, s, k);
	else
		candidates_local(c, set, s, k);
}

static void candidates_of(struct candidates *c, const struct grant_set *set,
			  const struct subject *s,
			  const struct grant_request *rq)
{
	c->count = 0;
	if (!rq->agent) {
		candidates_named(c, set, s, false, rq->credential);
		return;
	}
	candidates_named(c, set, s, true, rq->agent);
	if (strcmp(rq->agent, "*") != 0)
		candidates_named(c, set, s, true, "*");
}

/* The next older-first; a grant that is in several lists comes once. */
static const struct grant *candidates_next(struct candidates *c)
{
	const struct grant *oldest = NULL;

	for (unsigned i = 0; i < c->count; i++) {
		const struct grant_array *l = c->list[i];

		if (c->at[i] < l->count &&
		    (!oldest || l->item[c->at[i]]->id < oldest->id))
			oldest = l->item[c->at[i]];
	}
	for (unsigned i = 0; oldest && i < c->count; i++) {
		const struct grant_array *l = c->list[i];

		if (c->at[i] < l->count && l->item[c->at[i]] == oldest)
			c->at[i]++;
	}
	return oldest;
}

/* Decisions. */

typedef enum grant_verdict grant_judge(const struct grant *,
				       const struct subject *,
				       const struct grant_request *, int64_t,
				       struct fault *);

/* The first candidate that does not simply fail. */
static void decide(const struct grant_set *set, const struct subject *s,
		   const struct grant_request *rq, int64_t now,
		   grant_judge *judge, struct grant_decision *d)
{
	struct candidates c;
	const struct grant *g;

	d->verdict = GRANT_DENY;
	d->grant = NULL;
	d->exe = (struct piece){ .len = 0 };
	candidates_of(&c, set, s, rq);
	while ((g = candidates_next(&c))) {
		enum grant_verdict v = judge(g, s, rq, now, NULL);

		if (v == GRANT_DENY)
			continue;
		d->verdict = v;
		d->grant = g;
		if (v == GRANT_NEEDS_EXE)
			d->exe = grant_exe_wanted(g, rq->proof);
		return;
	}
}

/* Who it is about, in words, and as a grant would name him. */
struct named {
	char who[64], as[256];
};

static void name_remote(const struct subject_cert *c, struct named *n)
{
	char room[DNS_SHOWN];
	const char *blank = "";
	int at = 0;

	(void)snprintf(n->who, sizeof n->who, "agent %.40s",
		       dns_shown(span_str(c->uid ? c->uid : "-"), room));
	if (c->ou) {
		at = snprintf(n->as, sizeof n->as, "cert.ou=%s",
			      dns_shown(span_str(c->ou), room));
		blank = " ";
	}
	if (c->o)
		(void)snprintf(n->as + at, sizeof n->as - (size_t)at,
			       "%scert.o=%s", blank,
			       dns_shown(span_str(c->o), room));
}

static void name_subject(const struct subject *s, struct named *n)
{
	*n = (struct named){ .who = "" };
	if (s->via == VIA_TLS) {
		name_remote(&s->cert, n);
		return;
	}
	(void)snprintf(n->who, sizeof n->who, "uid %u", s->uid);
	(void)snprintf(n->as, sizeof n->as, "uid=%u", s->uid);
}

static void deny_admission(const struct subject *s,
			   const struct grant_request *rq, struct fault *why)
{
	struct named n;

	name_subject(s, &n);
	if (rq->agent) {
		(void)fault_set(why, ERR_DENIED,
				"no grant lets %s start agents of type '%.*s': "
				"cretula grant add agent=%.*s %s",
				n.who, TYPE_MAX, rq->agent, TYPE_MAX, rq->agent,
				n.as);
		return;
	}
	(void)fault_set(why, ERR_DENIED,
			"no grant lets %s run '%.64s' with credential '%.*s': "
			"an admin can give one with 'cretula grant add "
			"credential=%.*s op=%.64s%s %s'",
			n.who, rq->op, GRANT_CREDENTIAL_MAX, rq->credential,
			GRANT_CREDENTIAL_MAX, rq->credential, rq->op,
			strcmp(rq->op, "export") ? "" : " reveal=secret", n.as);
}

/* The sentence about the oldest grant that would admit the subject. */
static void deny_content(const struct grant_set *set, const struct subject *s,
			 const struct grant_request *rq, int64_t now,
			 struct fault *why)
{
	struct candidates c;
	const struct grant *g;

	candidates_of(&c, set, s, rq);
	while ((g = candidates_next(&c)))
		if (grant_admits(g, s, rq, now, NULL) != GRANT_DENY &&
		    grant_match(g, s, rq, now, why) == GRANT_DENY)
			return;
	deny_admission(s, rq, why);
}

void grants_admit(const struct grant_set *set, const struct subject *s,
		  const struct grant_request *rq, int64_t now,
		  struct grant_decision *d)
{
	decide(set, s, rq, now, grant_admits, d);
	if (d->verdict == GRANT_DENY)
		deny_admission(s, rq, &d->why);
}

void grants_each(const struct grant_set *set, const struct subject *s,
		 void (*each)(void *arg, const struct grant *g), void *arg)
{
	struct candidates c;
	const struct grant *g;

	c.count = 0;
	candidates_named(&c, set, s, false, "");
	while ((g = candidates_next(&c)))
		each(arg, g);
}

bool grants_may(const struct grant_set *set, const struct subject *s,
		const struct grant_request *rq, int64_t now)
{
	struct grant_decision d;

	decide(set, s, rq, now, grant_admits, &d);
	return d.verdict != GRANT_DENY;
}

void grants_decide(const struct grant_set *set, const struct subject *s,
		   const struct grant_request *rq, int64_t now,
		   struct grant_decision *d)
{
	decide(set, s, rq, now, grant_match, d);
	if (d->verdict == GRANT_DENY)
		deny_content(set, s, rq, now, &d->why);
}

/* Explaining. */

static bool names_it(const struct grant *g, const struct grant_request *rq)
{
	struct span_set set =
		g->set[rq->agent ? GRANT_AGENT : GRANT_CREDENTIAL];
	const char *name = rq->agent ? rq->agent : rq->credential;
	struct piece asked = { name, (uint32_t)strlen(name) };

	if (rq->agent && set.count && set.item[0].p[0] == '*')
		return true;
	for (unsigned i = 0; i < set.count; i++)
		if (piece_equal(set.item[i], asked))
			return true;
	return false;
}

static enum err explain_one(const struct grant *g, const struct subject *s,
			    const struct grant_request *rq, int64_t now,
			    struct buf *out)
{
	struct fault why = { .code = OK };
	struct piece exe;

	switch (grant_match(g, s, rq, now, &why)) {
	case GRANT_ALLOW:
		return buf_fmt(out, "grant %llu: allows it\n",
			       (unsigned long long)g->id);
	case GRANT_NEEDS_ALIVE:
		return buf_fmt(out,
			       "grant %llu: allows it if the process is "
			       "still the one that connected\n",
			       (unsigned long long)g->id);
	case GRANT_NEEDS_EXE:
		exe = grant_exe_wanted(g, rq->proof);
		return buf_fmt(out,
			       "grant %llu: allows it if the program is "
			       "the file %.*s\n",
			       (unsigned long long)g->id, (int)exe.len, exe.p);
	case GRANT_DENY:
		break;
	}
	return buf_fmt(out, "%s\n", why.text);
}

enum err grants_explain(const struct grant_set *set, const struct subject *s,
			const struct grant_request *rq, int64_t now,
			struct buf *out)
{
	size_t told = 0, more = 0;

	for (size_t i = 0; i < set->all.count; i++) {
		const struct grant *g = set->all.item[i];

		if (!names_it(g, rq))
			continue;
		if (told == GRANT_EXPLAIN_MAX) {
			more++;
			continue;
		}
		told++;
		TRY(explain_one(g, s, rq, now, out));
	}
	if (more)
		return buf_fmt(out, "and %zu more that name it\n", more);
	if (!told && rq->agent)
		return buf_fmt(out, "no grant names type '%s'\n", rq->agent);
	if (!told)
		return buf_fmt(out, "no grant names credential '%s'\n",
			       rq->credential);
	return OK;
}
