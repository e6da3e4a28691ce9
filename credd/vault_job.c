/* Vault: jobs, the admin calls that change something. One is done at a time from
 * beginning to end, so that each sees the store the one before it left. A job that
 * changes rows goes: record in the log, transaction, checkpoint, answer. */
#include "credd/vault.h"

#include "lib/log.h"

#include <stdlib.h>
#include <string.h>

static void job_free(struct job *j)
{
	loop_disarm(&j->timer);
	audit_link_forget(vault.log, &j->wait);
	buf_wipe(&j->attrs);
	attrs_wipe(&j->box);
	attrs_wipe(&j->reply);
	attrs_wipe(&j->what);
	attrs_wipe(&j->plain);
	attrs_wipe(&j->shared);
	attrs_wipe(&j->said);
	grant_free(j->grant);
	free(j->peer_made);
	free(j);
}

static struct job *job_new(const struct call *c, const char *verb)
{
	struct job *j = xcalloc(1, sizeof *j);

	j->call = *c;
	ENSURE(strlen(verb) < sizeof j->verb);
	memcpy(j->verb, verb, strlen(verb));
	buf_init(&j->attrs, MSG_MAX);
	attrs_init_secret(&j->box);
	attrs_init(&j->reply);
	attrs_init(&j->what);
	attrs_init_secret(&j->plain);
	attrs_init(&j->shared);
	attrs_init(&j->said);
	return j;
}

static void job_next(void)
{
	while (!vault.job && vault.jobs) {
		struct job *j = vault.jobs;

		vault.jobs = j->next;
		if (!vault.jobs)
			vault.jobs_end = &vault.jobs;
		vault.n_jobs--;
		vault.job = j;
		/* the one before it may have sealed the store */
		if (j->needs_open && call_open(&j->fault) != OK)
			job_done(j, j->fault.code);
		else
			j->first(j);
	}
}

struct attr_view job_attrs(const struct job *j)
{
	return (struct attr_view){ .p = j->attrs.p, .len = j->attrs.len };
}

void job_start(struct job *j, void (*first)(struct job *j))
{
	j->first = first;
	if (!vault.jobs_end)
		vault.jobs_end = &vault.jobs;
	*vault.jobs_end = j;
	vault.jobs_end = &j->next;
	vault.n_jobs++;
	job_next();
}

void job_queue(const struct call *c, const char *verb, bool needs_open,
	       struct attr_view v, void (*first)(struct job *j))
{
	bool remote = call_conn(c)->subject.via == VIA_TLS;
	struct job *j;

	if (vault.n_jobs >= (remote ? VAULT_REMOTE_JOBS : VAULT_JOBS)) {
		call_error(c, ERR_LIMITED,
			   "too many admin calls are waiting: try again");
		return;
	}
	j = job_new(c, verb);
	j->needs_open = needs_open;
	ENSURE(buf_put(&j->attrs, v.p, v.len) == OK);
	/* now: the client may be gone when its turn comes */
	ENSURE(attrs_add_view(&j->said, attrs_view(&call_conn(c)->said)) == OK);
	job_start(j, first);
}

/* Door is gone, and with it every connection. */
void jobs_orphan(void)
{
	if (vault.job)
		vault.job->call.id = CALL_NOBODY;
	for (struct job *j = vault.jobs; j; j = j->next)
		j->call.id = CALL_NOBODY;
}

struct job *job_internal(const char *verb)
{
	struct call nobody = { .server = &vault.server, .id = CALL_NOBODY };
	struct job *j = job_new(&nobody, verb);

	ENSURE(attrs_add_str(&j->said, "subject", "credd") == OK);
	return j;
}

/* The log line says event= by itself. */
static void log_done(const struct job *j)
{
	struct attr_view what = attrs_view(&j->what), rest = what;
	struct attr first;

	if (attr_next(&rest, &first) && attr_named(&first, "event"))
		what = rest;
	log_event(LOG_INFO, j->verb, what);
}

void job_done(struct job *j, enum err e)
{
	ENSURE(vault.job == j);
	if (e == OK) {
		log_done(j);
		call_reply(&j->call, &j->reply);
	} else {
		log_text(LOG_WARN, j->verb, "%s", j->fault.text);
		call_error(&j->call, e, j->fault.text);
	}
	vault.job = NULL;
	job_free(j);
	job_next();
}

/* The event of the log: verb, who, and what the verb has added to j->what. */
enum err job_event(struct job *j)
{
	struct attrs event;
	char id[REQUEST_ID];
	enum err e;

	attrs_init(&event);
	call_request_id(&j->call, id);
	e = attrs_add_str(&event, "event", j->verb);
	if (e == OK)
		e = attrs_add_view(&event, attrs_view(&j->said));
	if (e == OK)
		e = attrs_add_str(&event, "request_id", id);
	if (e == OK)
		e = attrs_add_view(&event, attrs_view(&j->what));
	attrs_wipe(&j->what);
	j->what = event;
	return e;
}

/* Record, transaction, checkpoint */

static void commit_noted(struct job *j, enum err e)
{
	if (e != OK)
		log_text(LOG_ERR, "checkpoint",
			 "the change is made, but its checkpoint is not "
			 "written: %s",
			 j->fault.text);
	job_done(j, OK);
}

/* The log has said already that it is being done. If this cannot be written
 * either, the request id leads to what was answered. */
static void record_failed(struct job *j)
{
	struct attrs a;
	struct fault f;
	char id[REQUEST_ID];

	call_request_id(&j->call, id);
	attrs_init(&a);
	if (attrs_add_str(&a, "event", j->verb) == OK &&
	    attrs_add_str(&a, "outcome", "failed") == OK &&
	    attrs_add_str(&a, "request_id", id) == OK &&
	    attrs_add_str(&a, "reason", j->fault.text) == OK)
		(void)!audit_link_record(vault.log, attrs_view(&a), AUDIT_ADMIN,
					 NULL, &f);
	attrs_wipe(&a);
}

static void commit_stored(struct job *j, enum err e)
{
	if (e != OK) {
		record_failed(j);
		job_done(j, e);
		return;
	}
	j->apply(j);
	if (vault.jobs) { /* one checkpoint for all that wait */
		audit_link_note(vault.log, NULL);
		job_done(j, OK);
		return;
	}
	j->then = commit_noted;
	audit_job_note(j);
}

static void commit_recorded(struct job *j, enum err e)
{
	struct change *c = j->change;

	j->change = NULL;
	if (e != OK) {
		change_free(c);
		job_done(j, e);
		return;
	}
	j->then = commit_stored;
	change_run(c, j);
}

void job_commit(struct job *j, struct change *c, void (*apply)(struct job *j))
{
	j->change = c;
	j->apply = apply;
	j->then = commit_recorded;
	if (job_event(j) != OK) {
		commit_recorded(j, fault_set(&j->fault, ERR_TOO_LARGE,
					     "the record of this change is too "
					     "large"));
		return;
	}
	audit_job_record(j, attrs_view(&j->what));
}
