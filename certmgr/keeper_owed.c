/* Keeper: revocations that the CA has not confirmed. Each is a row until it has, or until
 * the certificate has ended by itself. There are at most as many as
 * certificates that are valid: where the CA does not answer, none are made. */
#include "certmgr/keeper.h"

#include "lib/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A clock that ran ahead must not make one forgotten: it is owed that much longer. */
enum {
	OWED_AFTER = 86400 /* s */
};

static void owed_key(const void *value, const void **key, size_t *len)
{
	const struct owed *o = value;

	*key = o->serial;
	*len = strlen(o->serial);
}

void owed_init(void)
{
	keeper.owed = map_new(owed_key);
}

static struct owed *owed_new(const char *agent, const char *serial,
			     int64_t not_after, const char *reason)
{
	struct owed *o = xcalloc(1, sizeof *o);

	(void)snprintf(o->agent, sizeof o->agent, "%s", agent);
	(void)snprintf(o->serial, sizeof o->serial, "%s", serial);
	(void)snprintf(o->reason, sizeof o->reason, "%s", reason);
	o->not_after = not_after;
	map_add(keeper.owed, o);
	return o;
}

struct owed *owed_add(const char *agent, const char *serial, int64_t not_after,
		      const char *reason)
{
	struct owed *o = map_find(keeper.owed, serial, strlen(serial));

	if (o || not_after + OWED_AFTER <= clock_wall())
		return o;
	o = owed_new(agent, serial, not_after, reason);
	o->row = rows_next();
	rows_owed_dirty(o);
	net_want_revoked(o);
	return o;
}

static void record(const struct owed *o, const char *event, const char *text)
{
	struct attrs what;
	struct fault f;

	attrs_init(&what);
	ENSURE(attrs_add_str(&what, "event", event) == OK);
	ENSURE(attrs_add_str(&what, "agent", o->agent) == OK);
	ENSURE(attrs_add_str(&what, "serial", o->serial) == OK);
	ENSURE(attrs_add_str(&what, "reason", o->reason) == OK);
	if (text)
		ENSURE(attrs_add_str(&what, "text", text) == OK);
	if (audit_link_record(keeper.audit, attrs_view(&what), 0, NULL, &f) !=
	    OK)
		log_text(LOG_ERR, "unrecorded", "%s of %s", event, o->serial);
	attrs_wipe(&what);
}

/* Who has asked for it is told once the rows say it, too: the agent's, which is written
 * with it or before, and this one. */
static void over(struct owed *o)
{
	o->done = true;
	rows_owed_dirty(o);
}

void owed_done(struct owed *o)
{
	o->asked = false;
	keeper.revoked++;
	record(o, "agent.revoked", NULL);
	over(o);
}

/* The CA has said no for good: nothing more can be done from here. */
void owed_refused(struct owed *o, const char *text)
{
	struct fault f;

	record(o, "agent.revoke_refused", text);
	(void)fault_set(&f, ERR_DENIED, "the CA does not revoke %s: %s",
			o->serial, text);
	waits_end(&o->waits, &f, NULL);
	over(o);
}

enum err owed_format(const struct owed *o, struct attrs *out)
{
	TRY(attrs_add_str(out, "agent", o->agent));
	TRY(attrs_add_str(out, "serial", o->serial));
	TRY(attrs_add_str(out, "reason", o->reason));
	return attrs_add_u64(out, "not_after", (uint64_t)o->not_after);
}

void owed_load(uint64_t row, struct attr_view v)
{
	char agent[AGENT_ID_LEN + 1], reason[32];
	char serial[2 * SERIAL_SIZE + 1];
	uint64_t not_after;
	struct fault f;
	struct owed *o;

	if (call_need(v, "agent", agent, sizeof agent, &f) != OK ||
	    call_need(v, "serial", serial, sizeof serial, &f) != OK ||
	    call_need(v, "reason", reason, sizeof reason, &f) != OK ||
	    call_number(v, "not_after", 0, INT64_MAX, &not_after, &f) != OK ||
	    map_find(keeper.owed, serial, strlen(serial))) {
		log_text(LOG_ERR, "bad_row", "owed/%llu is left out",
			 (unsigned long long)row);
		return;
	}
	o = owed_new(agent, serial, (int64_t)not_after, reason);
	o->row = row;
	o->stored = true;
	if (o->not_after + OWED_AFTER <= clock_wall())
		over(o);
	else
		net_want_revoked(o);
}

/* What waited for it to be asked for goes on. */
void owed_free(struct owed *o)
{
	struct agent *a = agent_find(o->agent);

	(void)map_drop(keeper.owed, o->serial, strlen(o->serial));
	free(o);
	if (!a)
		return;
	net_want(&a->now);
	net_want(&a->coming);
}
