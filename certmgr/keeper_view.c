/* Keeper: what the file view is told, and what it is given when somebody opens a file:
 * only then, and on record.
 *	keeper -> view	KV_AGENT, KV_GONE, KV_CONTENT, KV_REFUSED
 *	view -> keeper	KV_OPEN, KV_DENIED */
#include "certmgr/keeper.h"

#include "lib/child.h"
#include "lib/log.h"

#include <stdio.h>
#include <string.h>

static const char *const files[] = { "cert", "chain", "key", "ca", "bundle" };

static void add_sizes(const struct agent *a, struct attrs *v)
{
	char name[16];
	struct buf b;

	for (size_t i = 0; i < NELEM(files); i++) {
		buf_init_secret(&b, KEEPER_PAYLOAD);
		if (hold_file(a, files[i], &b) != OK)
			buf_clear(&b);
		(void)snprintf(name, sizeof name, "size.%s", files[i]);
		ENSURE(attrs_add_u64(v, name, b.len) == OK);
		buf_wipe(&b);
	}
}

void view_tell(const struct agent *a)
{
	struct attrs v;

	if (a->view == AGENT_VIEW_NO || a->state != AGENT_LIVE ||
	    !a->examined || a->pidfd < 0 || !chan_is_open(&keeper.view))
		return;
	attrs_init(&v);
	ENSURE(attrs_add_str(&v, "agent", a->id) == OK);
	ENSURE(attrs_add_u64(&v, "pid", (uint64_t)a->who.pid) == OK);
	ENSURE(attrs_add_u64(&v, "start", a->who.start) == OK);
	ENSURE(attrs_add_u64(&v, "uid", a->uid) == OK);
	ENSURE(attrs_add_u64(&v, "user_ns", a->who.user_ns) == OK);
	if (a->view == AGENT_VIEW_SELF)
		ENSURE(attrs_add_str(&v, "self", "yes") == OK);
	ENSURE(attrs_add_u64(&v, "changed",
			     (uint64_t)(a->changed ? a->changed : a->made)) ==
	       OK);
	if (a->now.state == HOLD_MADE)
		ENSURE(attrs_add_str(&v, "serial", a->now.serial) == OK);
	add_sizes(a, &v);
	chan_tell(&keeper.view, KV_AGENT, 0, attrs_view(&v));
	attrs_wipe(&v);
}

void view_gone(const struct agent *a)
{
	struct attrs v;

	if (a->view == AGENT_VIEW_NO || !chan_is_open(&keeper.view))
		return;
	attrs_init(&v);
	ENSURE(attrs_add_str(&v, "agent", a->id) == OK);
	chan_tell(&keeper.view, KV_GONE, 0, attrs_view(&v));
	attrs_wipe(&v);
}

/* Opening */

static void refuse(uint64_t id, enum err e)
{
	struct attrs v;

	attrs_init(&v);
	ENSURE(attrs_add_str(&v, "error", err_name(e)) == OK);
	chan_tell(&keeper.view, KV_REFUSED, id, attrs_view(&v));
	attrs_wipe(&v);
}

static enum err record(const char *agent, const char *file,
		       struct attr_view who, const char *decision,
		       struct fault *f)
{
	static const char *const said[] = { "pid", "uid", "exe_ino" };
	struct attrs what;
	struct attr at;
	enum err e;

	attrs_init(&what);
	ENSURE(attrs_add_str(&what, "event", "agent.read") == OK);
	ENSURE(attrs_add_str(&what, "agent", agent) == OK);
	if (file)
		ENSURE(attrs_add_str(&what, "file", file) == OK);
	ENSURE(attrs_add_str(&what, "decision", decision) == OK);
	for (size_t i = 0; i < NELEM(said); i++)
		if (attr_find(who, said[i], &at))
			ENSURE(attrs_add_attr(&what, &at) == OK);
	if (!strcmp(decision, "deny"))
		e = audit_link_denial(keeper.audit, attrs_view(&what),
				      (struct attr_view){ 0 }, NULL, f);
	else
		e = audit_link_record(keeper.audit, attrs_view(&what), 0, NULL,
				      f);
	attrs_wipe(&what);
	return e;
}

/* The content on its way, wiped after each: making secret memory anew costs more than all
 * the rest of an open. */
static struct {
	struct buf content;
	struct attrs message;
	bool made;
} room;

static void room_make(void)
{
	if (room.made)
		return;
	room.made = true;
	buf_init_secret(&room.content, KEEPER_PAYLOAD);
	attrs_init_secret(&room.message);
	ENSURE(buf_reserve(&room.content, KEEPER_PAYLOAD) == OK);
	ENSURE(buf_reserve(&room.message.bytes, KEEPER_PAYLOAD) == OK);
}

static void give(uint64_t id, const struct buf *content)
{
	ENSURE(attrs_add(&room.message, "content", ATTR_CONFIDENTIAL,
			 content->p, content->len) == OK);
	chan_tell(&keeper.view, KV_CONTENT, id, attrs_view(&room.message));
	attrs_clear(&room.message);
}

/* The record is handed to the log with the content, not waited for: where the log cannot
 * be written, nothing is read any more from then on. */
static void opened(const struct msg *m)
{
	char agent[AGENT_ID_LEN + 1], file[8];
	struct agent *a;
	struct fault f;
	enum err e;

	if (call_need(m->attrs, "agent", agent, sizeof agent, &f) != OK ||
	    call_need(m->attrs, "file", file, sizeof file, &f) != OK)
		child_broken("view");
	a = agent_find(agent);
	if (!a || a->state != AGENT_LIVE || a->view == AGENT_VIEW_NO) {
		refuse(m->id, ERR_CONFLICT);
		return;
	}
	room_make();
	e = keeper_open(&f);
	if (e == OK)
		e = hold_file(a, file, &room.content);
	if (e == OK)
		e = record(a->id, file, m->attrs, "allow", &f);
	if (e == OK)
		give(m->id, &room.content);
	else
		refuse(m->id, e);
	buf_clear(&room.content);
}

static void denied(const struct msg *m)
{
	char agent[AGENT_ID_LEN + 1];
	struct fault f;

	if (call_need(m->attrs, "agent", agent, sizeof agent, &f) != OK)
		child_broken("view");
	keeper.refused++;
	if (record(agent, NULL, m->attrs, "deny", &f) != OK)
		log_text(LOG_ERR, "unrecorded", "%s", f.text);
}

static void from_view(struct chan *c, const struct msg *m)
{
	(void)c;
	switch ((enum keeper_view_kind)m->kind) {
	case KV_OPEN:
		opened(m);
		return;
	case KV_DENIED:
		denied(m);
		return;
	case KV_AGENT:
	case KV_ALL:
	case KV_GONE:
	case KV_CONTENT:
	case KV_REFUSED:
		break;
	}
	child_broken("view");
}

/* Agents are known again when the rows are there and door has found their processes:
 * before that, none of those that a view knows from an earlier keeper is gone. */
static bool owes_all;

void view_known(void)
{
	struct agent *a;
	size_t at = 0;

	if (!owes_all || !keeper.log_open || !chan_is_open(&keeper.view))
		return;
	while ((a = map_next(keeper.agents, &at)))
		if (a->view != AGENT_VIEW_NO && a->state == AGENT_LIVE &&
		    a->pidfd < 0)
			return;
	owes_all = false;
	chan_tell(&keeper.view, KV_ALL, 0, (struct attr_view){ 0 });
}

static void view_end(struct chan *c, const struct fault *why)
{
	(void)why;
	chan_close(c);
}

void view_came(int fd)
{
	static const struct chan_ops ops = { from_view, view_end, NULL };
	struct agent *a;
	size_t at = 0;

	chan_close(&keeper.view);
	chan_open(&keeper.view, keeper.loop, fd, true, &ops);
	while ((a = map_next(keeper.agents, &at)))
		view_tell(a);
	owes_all = true;
	view_known();
}
