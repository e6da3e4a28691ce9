/* Vault: its audit log (lib/audit_link.h): what is checked when it opens, what jobs wait
 * for there, and how it ends. */
#include "credd/vault.h"

#include <unistd.h>

/* The store is as new as its log, and the log as long as the store knew it. */
static enum err check(const struct audit_tail *t, struct fault *f)
{
	const struct set_state *st = &vault.sealed_state;

	if (t->noted)
		TRY(audit_check_generation(t->note.generation, st->generation,
					   f));
	return audit_check_size(t->tree.size, st->audit_size, f);
}

static void broken(const struct fault *why)
{
	seal_forget();
	seal_break(why);
}

static uint64_t generation(void)
{
	return vault.generation;
}

static void ended(void)
{
	_exit(0);
}

void audit_init(void)
{
	static const struct audit_link_ops ops = { .opened = seal_opened_log,
						   .broken = broken,
						   .check = check,
						   .generation = generation,
						   .ended = ended };

	vault.log = audit_link_new(vault.loop, &vault.store, &ops);
}

void audit_open_log(void)
{
	char origin[NOTE_ORIGIN_MAX + 1];

	note_origin("credd", vault.store_id, origin);
	audit_link_open(vault.log, origin, vault.audit_seed, vault.durable);
}

/* Jobs */

static void job_waited(struct audit_wait *w, const struct fault *why)
{
	struct job *j = (struct job *)((char *)w - offsetof(struct job, wait));

	if (why)
		j->fault = *why;
	j->then(j, why ? why->code : OK);
}

void audit_job_record(struct job *j, struct attr_view what)
{
	enum err e;

	j->wait.then = job_waited;
	e = audit_link_record(vault.log, what, AUDIT_ADMIN, &j->wait,
			      &j->fault);
	if (e != OK)
		j->then(j, e);
}

void audit_job_note(struct job *j)
{
	j->wait.then = job_waited;
	audit_link_note(vault.log, &j->wait);
}

/* Verbs */

void verb_audit_show(const struct call *c, struct attr_view v)
{
	audit_link_show(vault.log, c, v);
}

void verb_audit_notes(const struct call *c, struct attr_view v)
{
	audit_link_notes(vault.log, c, v);
}
