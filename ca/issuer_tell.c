/* Issuer: records of the log that stand by themselves: what happened, and what was
 * refused. Who was refused hears so when that is written down. */
#include "ca/issuer.h"

#include <stdlib.h>

struct told {
	struct txn_entry entry; /* first member */
	struct ask ask;
	struct fault fault;
	bool answer;
};

static void told(struct txn_entry *e, const struct fault *f)
{
	struct told *t = (struct told *)e;

	if (t->answer)
		ask_fault(&t->ask, f ? f : &t->fault);
	txn_entry_wipe(e);
	free(t);
}

void txn_tell(struct attr_view record)
{
	struct told *t = xcalloc(1, sizeof *t);

	txn_entry_init(&t->entry, told);
	ENSURE(attrs_add_view(&t->entry.record, record) == OK);
	txn_add(&t->entry);
}

static struct told *told_new(const struct ask *a, const char *event,
			     const struct fault *f)
{
	struct told *t = xcalloc(1, sizeof *t);
	struct attrs *r = &t->entry.record;

	txn_entry_init(&t->entry, told);
	t->ask = *a;
	t->fault = *f;
	t->answer = true;
	t->entry.denial = true;
	ENSURE(attrs_add_str(r, "event", event) == OK);
	ENSURE(attrs_add_str(r, "result", "refused") == OK);
	ENSURE(attrs_add_str(r, "error", err_name(f->code)) == OK);
	return t;
}

static void refuse(const struct ask *a, const char *event,
		   struct attr_view about, const struct fault *f, bool stranger)
{
	struct attrs *r, *varies;
	struct told *t;

	if (!txn_open()) {
		ask_fault(a, f);
		return;
	}
	t = told_new(a, event, f);
	r = &t->entry.record;
	varies = stranger ? &t->entry.once : r;
	ENSURE(attrs_add_str(varies, "text", f->text) == OK);
	ENSURE(attrs_add_view(varies, about) == OK);
	ENSURE(ask_said(a, r) == OK);
	ENSURE(ask_id(a, &t->entry.once) == OK);
	txn_add(&t->entry);
}

void txn_refuse(const struct ask *a, const char *event, struct attr_view about,
		const struct fault *f)
{
	refuse(a, event, about, f, false);
}

void txn_refuse_stranger(const struct ask *a, const char *event,
			 struct attr_view about, const struct fault *f)
{
	refuse(a, event, about, f, true);
}
