/* Issuer: verbs that only look: list and show the inventory, read the log, prove. */
#include "ca/issuer.h"

#include "lib/child.h"
#include "lib/enc.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	LIST_MAX = 100000, /* rows of one answer */
};

struct look {
	struct find find; /* first member */
	struct ask ask;
	struct attrs filter;
	uint64_t left, last, count;
	bool der;
	struct find next; /* show: the proof's question */
};

static struct look *look_new(const struct ask *a)
{
	struct look *l = xcalloc(1, sizeof *l);

	l->ask = *a;
	attrs_init(&l->filter);
	return l;
}

static void look_free(struct look *l)
{
	attrs_wipe(&l->filter);
	free(l);
}

static void look_end(struct look *l, const struct fault *f, struct attrs *reply)
{
	if (f)
		ask_fault(&l->ask, f);
	else
		ask_reply(&l->ask, reply);
	look_free(l);
}

/* Rows as people read them */

static enum err say_time(struct attr_view row, const char *name,
			 struct attrs *out)
{
	char text[CLOCK_TEXT];
	struct attr a;
	uint64_t t;

	if (attr_only(row, name, &a) != OK ||
	    attr_u64(&a, INT64_MAX, &t) != OK || !t)
		return OK;
	clock_format((int64_t)t, text);
	return attrs_add_str(out, name, text);
}

static enum err say_text(struct attr_view row, const char *name,
			 struct attrs *out)
{
	struct attr a;

	return attr_only(row, name, &a) == OK ? attrs_add_attr(out, &a) : OK;
}

static const char *status_of(struct attr_view row)
{
	struct attr a;
	uint64_t end;

	if (attr_find(row, "revoked", &a))
		return "revoked";
	if (attr_only(row, "not_after", &a) == OK &&
	    attr_u64(&a, INT64_MAX, &end) == OK && (int64_t)end < clock_wall())
		return "expired";
	return "good";
}

static enum err say_row(struct attr_view row, uint64_t *number,
			struct attrs *out)
{
	char hex[2 * SERIAL_SIZE + 1];
	struct attr tail, a;
	struct serial s;
	uint64_t reason;

	if (attr_only(row, "number", &a) != OK ||
	    attr_u64(&a, SERIAL_NUMBER_MAX, number) != OK ||
	    attr_only(row, "tail", &tail) != OK || tail.len != SERIAL_TAIL)
		child_broken("store");
	serial_make(issuer.scope.instance, *number, tail.value, &s);
	serial_format(&s, hex);
	TRY(attrs_add_str(out, "serial", hex));
	TRY(say_text(row, "type", out));
	TRY(say_text(row, "node", out));
	TRY(say_text(row, "agent", out));
	TRY(say_time(row, "not_before", out));
	TRY(say_time(row, "not_after", out));
	TRY(attrs_add_str(out, "status", status_of(row)));
	TRY(say_time(row, "revoked", out));
	if (attr_find(row, "revoked", &a) &&
	    attr_only(row, "reason", &a) == OK &&
	    attr_u64(&a, 10, &reason) == OK)
		TRY(attrs_add_str(out, "reason",
				  reason_name((unsigned)reason)));
	return OK;
}

/* list */

static void list_page(struct look *l);

static void list_item(struct find *q, struct attr_view row)
{
	struct look *l = (struct look *)q;
	struct attrs item;

	attrs_init(&item);
	ENSURE(say_row(row, &l->last, &item) == OK);
	ask_item(&l->ask, attrs_view(&item));
	attrs_wipe(&item);
	l->count++;
	l->left--;
}

static void list_end(struct find *q, bool more, const struct fault *f)
{
	struct look *l = (struct look *)q;
	struct attrs reply;

	if (!f && more && l->left) {
		l->last = q->after; /* a page may be empty */
		list_page(l);
		return;
	}
	attrs_init(&reply);
	ENSURE(attrs_add_u64(&reply, "count", l->count) == OK);
	if (more)
		ENSURE(attrs_add_str(&reply, "more", "yes") == OK);
	look_end(l, f, &reply);
	attrs_wipe(&reply);
}

static void list_page(struct look *l)
{
	struct attrs a;

	attrs_init(&a);
	ENSURE(attrs_add_view(&a, attrs_view(&l->filter)) == OK);
	ENSURE(attrs_add_u64(&a, "limit",
			     MIN(l->left, (uint64_t)ISSUER_PAGE)) == OK);
	if (l->last)
		ENSURE(attrs_add_u64(&a, "after", l->last) == OK);
	l->find.item = list_item;
	l->find.end = list_end;
	find_start(&l->find, IS_FIND, attrs_view(&a));
	attrs_wipe(&a);
}

enum err find_names(struct attr_view v, struct attrs *out, bool *any,
		    struct fault *f)
{
	static const char *const names[] = { "type", "node", "agent" };
	char text[FIND_NAME_MAX + 1];

	*any = false;
	for (size_t i = 0; i < NELEM(names); i++) {
		enum err e = call_text(v, names[i], text, sizeof text, f);

		if (e == ERR_NOT_FOUND)
			continue;
		TRY(e);
		*any = true;
		TRY(attrs_add_str(out, names[i], text));
	}
	return OK;
}

static enum err list_revoked(struct attr_view v, struct attrs *out,
			     struct fault *f)
{
	char text[8] = "";
	enum err e = call_text(v, "revoked", text, sizeof text, f);

	if (e == ERR_NOT_FOUND)
		return OK;
	if (e != OK || (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0))
		return fault_set(f, ERR_INVALID, "'revoked' is yes or no");
	return attrs_add_str(out, "revoked", text);
}

/* type= node= agent= revoked=yes|no expiring=SECONDS limit=N */
static enum err list_filter(struct attr_view v, struct attrs *out,
			    uint64_t *limit, struct fault *f)
{
	uint64_t soon, now = (uint64_t)clock_wall();
	bool any;

	TRY(find_names(v, out, &any, f));
	TRY(list_revoked(v, out, f));
	TRY(call_number(v, "expiring", UINT32_MAX, UINT32_MAX, &soon, f));
	if (soon != UINT32_MAX) {
		TRY(attrs_add_u64(out, "expires_before", now + soon));
		TRY(attrs_add_u64(out, "not_expired", now));
	}
	TRY(call_number(v, "limit", LIST_MAX, LIST_MAX, limit, f));
	if (*limit)
		return OK;
	return fault_set(f, ERR_INVALID, "'limit' is a number from 1 to %d",
			 LIST_MAX);
}

void verb_list(const struct ask *a, struct attr_view v)
{
	struct look *l = look_new(a);
	struct fault f;

	if (list_filter(v, &l->filter, &l->left, &f) != OK)
		look_end(l, &f, NULL);
	else
		list_page(l);
}

/* show: one, with its certificate */

static void show_item(struct find *q, struct attr_view row)
{
	struct look *l = (struct look *)q;
	struct attr a;

	attrs_clear(&l->filter);
	ENSURE(say_row(row, &l->last, &l->filter) == OK);
	if (attr_only(row, "der", &a) == OK)
		ENSURE(attrs_add(&l->filter, "certificate", 0, a.value,
				 a.len) == OK);
	if (attr_only(row, "log", &a) == OK)
		ENSURE(attrs_add_attr(&l->filter, &a) == OK);
	l->count++;
}

static void show_end(struct find *q, bool more, const struct fault *f)
{
	struct look *l = (struct look *)q;
	struct fault g;

	(void)more;
	if (!f && !l->count) {
		(void)fault_set(&g, ERR_NOT_FOUND,
				"this CA has issued no such certificate");
		f = &g;
	}
	look_end(l, f, &l->filter);
}

static enum err take_serial(struct attr_view v, struct serial *s,
			    struct fault *f)
{
	char text[64];

	TRY(call_need(v, "serial", text, sizeof text, f));
	if (serial_parse(text, strlen(text), s) != OK ||
	    serial_instance(s) != issuer.scope.instance)
		return fault_set(f, ERR_NOT_FOUND,
				 "'%s' is no serial of this CA: those have 36 "
				 "hex digits (colons between pairs are fine) "
				 "and begin with %02x",
				 text, issuer.scope.instance);
	return OK;
}

void verb_show(const struct ask *a, struct attr_view v)
{
	struct serial s;
	struct attrs ask;
	struct fault f;
	struct look *l;

	if (take_serial(v, &s, &f) != OK) {
		ask_fault(a, &f);
		return;
	}
	l = look_new(a);
	attrs_init(&ask);
	ENSURE(attrs_add_u64(&ask, "number", serial_number(&s)) == OK);
	ENSURE(attrs_add(&ask, "tail", 0, serial_tail(&s), SERIAL_TAIL) == OK);
	ENSURE(attrs_add_u64(&ask, "limit", 1) == OK);
	ENSURE(attrs_add_str(&ask, "der", "yes") == OK);
	l->find.item = show_item;
	l->find.end = show_end;
	find_start(&l->find, IS_FIND, attrs_view(&ask));
	attrs_wipe(&ask);
}

/* A holder sees his own certificate and no other. */
void show_run(const struct ask *a, struct attr_view v)
{
	const struct tls_peer *p = peer_find(a->peer);
	struct serial s;
	struct fault f;

	if (take_serial(v, &s, &f) != OK) {
		ask_fault(a, &f);
		return;
	}
	if (memcmp(s.b, p->serial.b, SERIAL_SIZE)) {
		(void)fault_set(&f, ERR_DENIED,
				"you may look at your own certificate only");
		ask_fault(a, &f);
		return;
	}
	verb_show(a, v);
}

/* The log */

static void log_item(struct find *q, struct attr_view row)
{
	struct look *l = (struct look *)q;
	struct attrs item;
	struct attr a;

	attrs_init(&item);
	if (attr_only(row, "record", &a) == OK) {
		ENSURE(attrs_add_u64(&item, "index", q->index) == OK);
		ENSURE(attrs_add_attr(&item, &a) == OK);
	} else if (attr_only(row, "text", &a) == OK) {
		ENSURE(attrs_add(&item, "note", 0, a.value, a.len) == OK);
	}
	ask_item(&l->ask, attrs_view(&item));
	attrs_wipe(&item);
	l->count++;
}

static void log_end(struct find *q, bool more, const struct fault *f)
{
	struct look *l = (struct look *)q;
	struct attrs reply;

	(void)more;
	attrs_init(&reply);
	ENSURE(attrs_add_u64(&reply, "size", audit_kept(issuer.audit)) == OK);
	ENSURE(attrs_add_str(&reply, "origin", issuer.origin) == OK);
	ENSURE(attrs_add(&reply, "key", 0, issuer.log_key, NOTE_PUBLIC) == OK);
	look_end(l, f, &reply);
	attrs_wipe(&reply);
}

static void read_log(const struct ask *a, uint64_t from, uint64_t count,
		     bool notes)
{
	struct look *l = look_new(a);
	struct attrs ask;

	attrs_init(&ask);
	ENSURE(attrs_add_u64(&ask, "from", from) == OK);
	ENSURE(attrs_add_u64(&ask, "count", count) == OK);
	if (notes)
		ENSURE(attrs_add_str(&ask, "notes", "yes") == OK);
	l->find.item = log_item;
	l->find.end = log_end;
	find_start(&l->find, IS_READ, attrs_view(&ask));
	attrs_wipe(&ask);
}

void verb_audit_show(const struct ask *a, struct attr_view v)
{
	uint64_t from, count;
	struct fault f;

	if (call_number(v, "from", 0, INT64_MAX, &from, &f) != OK ||
	    call_number(v, "count", INT64_MAX, INT64_MAX, &count, &f) != OK)
		ask_fault(a, &f);
	else
		read_log(a, from, count, false);
}

void verb_audit_notes(const struct ask *a, struct attr_view v)
{
	(void)v;
	read_log(a, 0, INT64_MAX, true);
}

/* A proof is against the last signed checkpoint that covers the record. */

static void proof_item(struct find *q, struct attr_view row)
{
	struct look *l = (struct look *)q;

	ENSURE(attrs_add_view(&l->filter, row) == OK);
	l->count++;
}

static void proof_end(struct find *q, bool more, const struct fault *f)
{
	struct look *l = (struct look *)q;

	(void)more;
	look_end(l, f, &l->filter);
}

void verb_audit_prove(const struct ask *a, struct attr_view v)
{
	uint64_t index, size;
	struct serial s;
	struct attrs ask;
	struct fault f;
	struct attr one;
	struct look *l;

	attrs_init(&ask);
	if (attr_find(v, "serial", &one)) {
		if (take_serial(v, &s, &f) != OK) {
			ask_fault(a, &f);
			return;
		}
		ENSURE(attrs_add_u64(&ask, "number", serial_number(&s)) == OK);
	} else if (call_number(v, "index", 0, INT64_MAX - 1, &index, &f) !=
		   OK) {
		ask_fault(a, &f);
		return;
	} else {
		ENSURE(attrs_add_u64(&ask, "index", index) == OK);
	}
	if (call_number(v, "size", 0, INT64_MAX, &size, &f) == OK && size)
		ENSURE(attrs_add_u64(&ask, "size", size) == OK);
	l = look_new(a);
	l->find.item = proof_item;
	l->find.end = proof_end;
	find_start(&l->find, IS_PROVE, attrs_view(&ask));
	attrs_wipe(&ask);
}
