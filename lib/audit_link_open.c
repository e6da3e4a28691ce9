/* A core (vault, keeper): its audit log opened, resumed after the store was started anew,
 * and closed. Holds the log's seed until lib/audit has it.
 *	core -> store	RS_AUDIT_OPEN	store -> core	RS_AUDIT_OPEN, RS_RECORD,
 *							RS_AUDIT_READY */
#include "lib/audit_link_state.h"
#include "lib/audit_wait.h"

#include "lib/child.h"

#include <string.h>

static void ask_where(struct audit_link *l)
{
	l->telling = false;
	l->tail_error = OK;
	l->asked = chan_send(l->store, RS_AUDIT_OPEN, STORE_ID_LOG,
			     (struct attr_view){ 0 }) == OK;
}

void audit_link_open(struct audit_link *l, const char *origin,
		     const struct secret *seed, bool durable)
{
	size_t n = strnlen(origin, sizeof l->origin);

	ENSURE(!l->audit && n < sizeof l->origin);
	memcpy(l->origin, origin, n);
	l->origin[n] = 0;
	secret_drop(&l->seed);
	l->seed = secret_from(secret_bytes(seed));
	l->durable = durable;
	l->opening = true;
	ask_where(l);
}

static struct attr_view bytes_of(struct attr_view v, const char *name)
{
	struct attr a;

	if (attr_only(v, name, &a) != OK)
		return (struct attr_view){ 0 };
	return (struct attr_view){ .p = a.value, .len = a.len };
}

void audit_link_log_told(struct audit_link *l, const struct msg *m)
{
	uint8_t key[NOTE_PUBLIC];

	if (!l->asked)
		return; /* closed meanwhile */
	if (l->audit)
		memcpy(key, audit_key(l->audit), sizeof key);
	else
		note_public(l->seed, key);
	l->telling = true;
	l->tail_size = child_number(m, "size", INT64_MAX);
	l->tail_error = audit_tail_open(
		&l->tail, l->origin, key, bytes_of(m->attrs, "note"),
		bytes_of(m->attrs, "frontier"), &l->tail_fault);
}

void audit_link_log_record(struct audit_link *l, const struct msg *m)
{
	struct attr a;

	if (l->tail_error != OK)
		return;
	if (attr_only(m->attrs, "record", &a) != OK)
		child_broken("store");
	l->tail_error =
		audit_tail_add(&l->tail, m->id,
			       (struct attr_view){ .p = a.value, .len = a.len },
			       &l->tail_fault);
}

static enum err check_tail(struct audit_link *l, struct fault *f)
{
	if (l->tail_error != OK) {
		*f = l->tail_fault;
		return l->tail_error;
	}
	TRY(audit_tail_end(&l->tail, l->tail_size, f));
	if (l->audit)
		return audit_resume(l->audit, &l->tail, f);
	return l->ops->check ? l->ops->check(&l->tail, f) : OK;
}

void audit_link_forget_log(struct audit_link *l, struct audit_wait *left)
{
	waits_init(left);
	waits_move(left, &l->waiting);
	waits_move(left, &l->wanted);
	waits_move(left, &l->noting);
	audit_free(&l->audit);
	secret_drop(&l->seed);
	loop_disarm(&l->timer);
	l->opening = l->asked = l->telling = false;
	l->flying = l->owed = false;
}

static void log_opened(struct audit_link *l, const struct fault *why)
{
	struct audit_sink sink = audit_link_sink(l);
	struct audit_wait left;

	if (why) {
		audit_link_forget_log(l, &left);
		l->ops->opened(why);
		waits_tell_all(&left, why);
		return;
	}
	l->audit = audit_new(&l->tail, l->origin, l->seed, &sink, l->durable);
	secret_drop(&l->seed);
	l->opening = false;
	l->ops->opened(NULL);
}

static void log_broken(struct audit_link *l, const struct fault *why)
{
	struct audit_wait left;

	audit_link_forget_log(l, &left);
	l->ops->broken(why);
	waits_tell_all(&left, why);
}

void audit_link_log_ready(struct audit_link *l)
{
	struct fault f;
	enum err e;

	if (!l->asked)
		return;
	e = check_tail(l, &f);
	l->asked = l->telling = false;
	if (!l->audit)
		log_opened(l, e == OK ? NULL : &f);
	else if (e != OK)
		log_broken(l, &f);
	else
		audit_link_acknowledged(l);
}

/* The store is there again: what it has is compared with what it acknowledged. */
void audit_link_store_came(struct audit_link *l)
{
	if (l->audit || l->opening)
		ask_where(l);
}

void audit_link_store_gone(struct audit_link *l)
{
	struct audit_wait told;
	struct fault f;

	l->asked = l->telling = l->flying = false;
	audit_link_read_gone(l);
	waits_init(&told);
	waits_move(&told, &l->noting);
	(void)fault_set(&f, ERR_UNAVAILABLE, "the store was started anew");
	waits_tell_all(&told, &f);
}

void audit_link_close(struct audit_link *l)
{
	struct audit_wait left;
	struct fault f;

	audit_link_forget_log(l, &left);
	(void)fault_set(&f, ERR_UNAVAILABLE, "the audit log was closed");
	waits_tell_all(&left, &f);
}
