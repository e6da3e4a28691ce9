/* Vault: who is behind a connection, as door says; and the fronts that carry what
 * it sends.
 *	door -> vault	DV_CONN, DV_GONE, DV_CHECKED
 *	vault -> door	DV_KNOWN, DV_CHECK */
#include "credd/child.h"
#include "credd/vault.h"

#include "lib/log.h"

#include <stdlib.h>
#include <string.h>

static void conn_key(const void *value, const void **key, size_t *len)
{
	const struct conn *c = value;

	*key = &c->id;
	*len = sizeof c->id;
}

void conn_init(void)
{
	vault.conns = map_new(conn_key);
}

struct conn *conn_find(uint32_t id)
{
	return map_find(vault.conns, &id, sizeof id);
}

static void conn_free(struct conn *c)
{
	subject_wipe(&c->subject);
	attrs_wipe(&c->said);
	free(c);
}

static void conn_add(const struct msg *m)
{
	struct conn *c = xcalloc(1, sizeof *c);
	struct fault f;

	c->id = (uint32_t)m->id;
	if (subject_parse(m->attrs, &c->subject, &f) != OK || conn_find(c->id))
		child_broken("door");
	attrs_init(&c->said);
	if (subject_format(&c->subject, &c->said) != OK)
		child_broken("door");
	map_add(vault.conns, c);
	chan_tell(&vault.door, DV_KNOWN, m->id, (struct attr_view){ 0 });
}

static void conn_gone(uint32_t id)
{
	struct conn *c = map_drop(vault.conns, &id, sizeof id);

	if (c)
		conn_free(c);
}

static void checked(const struct msg *m)
{
	struct attr a;
	bool alive =
		attr_only(m->attrs, "alive", &a) == OK && attr_is(&a, "yes");
	bool exe = attr_only(m->attrs, "exe", &a) == OK && attr_is(&a, "yes");

	run_proof(child_number(m, "ref", UINT64_MAX), alive, exe);
}

void conn_from_door(struct chan *ch, const struct msg *m)
{
	(void)ch;
	switch ((enum door_vault_kind)m->kind) {
	case DV_CONN:
		conn_add(m);
		return;
	case DV_GONE:
		conn_gone((uint32_t)m->id);
		return;
	case DV_CHECKED:
		checked(m);
		return;
	case DV_KNOWN:
	case DV_CHECK:
		break;
	}
	child_broken("door");
}

/* Its connections end with door: the fronts close them, and clients come again. */
void conn_door_end(struct chan *ch, const struct fault *why)
{
	struct conn *c;
	size_t at = 0;

	(void)why;
	chan_close(ch);
	while ((c = map_next(vault.conns, &at)))
		conn_free(c);
	map_free(vault.conns);
	conn_init();
	runs_orphan();
	jobs_orphan();
	vault.reading.id = CALL_NOBODY;
}

void conn_check(struct run *r, uint32_t conn, const char *path, size_t len)
{
	struct attrs a;

	attrs_init(&a);
	if (len)
		ENSURE(attrs_add(&a, "exe", 0, path, len) == OK);
	ENSURE(attrs_add_u64(&a, "ref", r->serial) == OK);
	if (chan_send(&vault.door, DV_CHECK, conn, attrs_view(&a)) != OK)
		run_failed(r, ERR_UNAVAILABLE,
			   "who connected cannot be checked now: connect "
			   "again");
	attrs_wipe(&a);
}

/* Fronts */

struct front *front_find(uid_t uid)
{
	struct front *f = vault.fronts;

	while (f && f->uid != uid)
		f = f->next;
	return f;
}

static void from_front(struct chan *ch, const struct msg *m)
{
	struct front *f = (struct front *)ch;

	if (m->kind == CLIENT_CALL)
		call_run(f, m);
	else if (m->kind != FV_CLOSED)
		log_text(LOG_ERR, "broken_front", "uid %u: kind %u",
			 (unsigned)f->uid, m->kind);
}

static void front_end(struct chan *ch, const struct fault *why)
{
	struct front *f = (struct front *)ch;
	struct front **at = &vault.fronts;

	(void)why;
	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	chan_close(ch);
	free(f);
}

void front_came(int fd, uid_t uid)
{
	static const struct chan_ops ops = { from_front, front_end, NULL };
	struct front *f = front_find(uid);

	if (f)
		front_end(&f->chan, NULL);
	f = xcalloc(1, sizeof *f);
	f->uid = uid;
	chan_open(&f->chan, vault.loop, fd, false, &ops);
	f->next = vault.fronts;
	vault.fronts = f;
	chan_pause(&f->chan, vault.state == VAULT_STARTING);
}

void fronts_pause(bool paused)
{
	for (struct front *f = vault.fronts; f; f = f->next)
		chan_pause(&f->chan, paused);
}
