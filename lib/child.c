/* The common beginning of every child role. Holds nothing. */
#include "lib/child.h"

#include "lib/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	CHILD_NAME = 32, /* bytes of a daemon's or role's name, with NUL */
};

static struct confine_report report;
static const struct child_ops *child_ops;

void child_broken(const char *peer)
{
	log_text(LOG_CRIT, "broken_peer", "%s broke the dialogue", peer);
	_exit(1);
}

void child_front_broken(struct chan *sup, uid_t uid, bool http, const char *why)
{
	struct attrs a;

	log_text(LOG_ERR, http ? "broken_gate" : "broken_front", "uid %u: %s",
		 (unsigned)uid, why);
	attrs_init(&a);
	ENSURE(attrs_add_u64(&a, "uid", uid) == OK);
	if (http)
		ENSURE(attrs_add_str(&a, "http", "yes") == OK);
	chan_tell(sup, SUP_BROKEN, 0, attrs_view(&a));
	attrs_wipe(&a);
}

void child_outer_broken(struct chan *sup, const char *role, uint64_t ref,
			const char *why)
{
	struct attrs a;

	log_text(LOG_ERR, "broken_outer", "%s: %s", role, why);
	attrs_init(&a);
	ENSURE(attrs_add_str(&a, "role", role) == OK);
	ENSURE(attrs_add_u64(&a, "ref", ref) == OK);
	chan_tell(sup, SUP_BROKEN, 0, attrs_view(&a));
	attrs_wipe(&a);
}

uint64_t child_number(const struct msg *m, const char *name, uint64_t max)
{
	struct attr a;
	uint64_t v;

	if (attr_only(m->attrs, name, &a) != OK || attr_u64(&a, max, &v) != OK)
		child_broken(name);
	return v;
}

const char *child_text(const struct msg *m, const char *name)
{
	static char text[4096];
	struct attr a;

	if (attr_only(m->attrs, name, &a) != OK || a.len >= sizeof text ||
	    (a.len && memchr(a.value, 0, a.len)))
		child_broken(name);
	memcpy(text, a.value, a.len);
	text[a.len] = 0;
	return text;
}

static void from_sup(struct chan *c, const struct msg *m)
{
	if (m->kind == SUP_PEER) {
		int fd = chan_take_fd(c);

		if (fd < 0)
			child_broken("supervisor");
		child_ops->peer(child_text(m, "peer"), m, fd);
		return;
	}
	if (!child_ops->other)
		child_broken("supervisor");
	child_ops->other(m);
}

static void sup_end(struct chan *c, const struct fault *why)
{
	(void)why;
	chan_close(c);
	if (!child_ops->end)
		_exit(0);
	child_ops->end();
}

/* The log keeps the names it is given. */
static void child_log(const struct msg *m)
{
	static char daemon[CHILD_NAME], role[CHILD_NAME];

	(void)snprintf(daemon, sizeof daemon, "%s", child_text(m, "daemon"));
	(void)snprintf(role, sizeof role, "%s", child_text(m, "role"));
	log_open(daemon, role, LOG_INFO);
}

/* Blank ids mean: stay who we are. */
static void child_confine(const struct msg *m, enum confine_role role)
{
	struct confine_spec spec = confine_spec_of(role);
	struct fault f;
	struct attr a;

	if (attr_find(m->attrs, "uid", &a)) {
		spec.change_ids = true;
		spec.uid = (uid_t)child_number(m, "uid", UINT32_MAX);
		spec.gid = (gid_t)child_number(m, "gid", UINT32_MAX);
	}
	if (child_ops->confine)
		child_ops->confine(&spec);
	if (confine_apply(&spec, &report, &f) == OK)
		return;
	log_text(LOG_CRIT, "not_confined", "%s", f.text);
	_exit(1);
}

void child_start(struct loop *l, struct chan *sup, enum confine_role role,
		 const struct child_ops *ops)
{
	static const struct chan_ops sup_ops = { from_sup, sup_end, NULL };
	struct buf in;
	struct fault f;
	struct msg m;

	child_ops = ops;
	buf_init(&in, MSG_MAX + 4);
	if (chan_get1(SUP_FD, &in, &m, NULL, UINT64_MAX, &f) != OK)
		_exit(0);
	if (m.kind != SUP_START)
		child_broken("supervisor");
	child_log(&m);
	if (ops->start)
		ops->start(&m);
	child_confine(&m, role);
	buf_wipe(&in);
	chan_open(sup, l, SUP_FD, false, &sup_ops);
}

void child_weaker(const char *text)
{
	confine_weaker(&report, "%s", text);
}

void child_ready(struct chan *sup)
{
	struct attrs a;

	attrs_init(&a);
	for (size_t i = 0; i < report.count; i++)
		ENSURE(attrs_add_str(&a, "weaker", report.weaker[i]) == OK);
	chan_tell(sup, SUP_READY, 0, attrs_view(&a));
	chan_flush(sup);
	attrs_wipe(&a);
}

static bool is_noted(const struct attrs *notes, const char *text)
{
	struct attr_view it = attrs_view(notes);
	struct attr a;

	while (attr_next(&it, &a))
		if (attr_is(&a, text))
			return true;
	return false;
}

void child_keep_note(const struct msg *m, struct attrs *notes)
{
	const char *role = child_text(m, "role");
	char text[CHILD_NAME + CONFINE_TEXT_MAX];
	struct attr_view it = m->attrs;
	struct attr a;

	while (attr_next(&it, &a)) {
		if (!attr_named(&a, "weaker"))
			continue;
		(void)snprintf(text, sizeof text, "%s: %.*s", role,
			       (int)MIN(a.len, (uint32_t)CONFINE_TEXT_MAX),
			       (const char *)a.value);
		if (!is_noted(notes, text))
			(void)!attrs_add_str(notes, "weaker", text);
	}
}
