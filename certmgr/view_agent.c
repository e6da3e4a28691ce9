/* View: the agents that have a folder, as keeper tells them, and the processes they are
 * bound to. */
#include "certmgr/view.h"

#include "lib/child.h"
#include "lib/log.h"
#include "lib/map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	PLACE_BITS = 3, /* of an inode: which of the folder and its files */
	PLACES = 1 << PLACE_BITS,
	GENERATION_BITS = 16,
	GENERATION_MASK = (1 << GENERATION_BITS) - 1,
};

static const char *const file_name[] = { "cert.pem", "chain.pem", "key.pem",
					 "ca.pem", "bundle.pem" };
static const char *const file_word[] = { "cert", "chain", "key", "ca",
					 "bundle" };
_Static_assert(NELEM(file_name) == VIEW_FILES && NELEM(file_word) == VIEW_FILES,
	       "every file has a name");

static struct map *by_id, *by_number, *owners;
static uint64_t last_number;

const char *view_file_name(enum view_file file)
{
	ENSURE((unsigned)file < VIEW_FILES);
	return file_name[file];
}

const char *view_file_word(enum view_file file)
{
	ENSURE((unsigned)file < VIEW_FILES);
	return file_word[file];
}

enum err view_file_of(const char *name, enum view_file *file)
{
	for (unsigned i = 0; i < VIEW_FILES; i++) {
		if (strcmp(name, file_name[i]) != 0)
			continue;
		*file = (enum view_file)i;
		return OK;
	}
	return ERR_NOT_FOUND;
}

uint64_t view_ino(const struct view_agent *a, unsigned place)
{
	ENSURE(place < PLACES);
	return (a->number << GENERATION_BITS |
		(place ? a->generation & GENERATION_MASK : 0))
		       << PLACE_BITS |
	       place;
}

bool view_ino_is_present(const struct view_agent *a, uint64_t ino)
{
	return ino == view_ino(a, ino & (PLACES - 1));
}

static void id_key(const void *value, const void **key, size_t *len)
{
	const struct view_agent *a = value;

	*key = a->id;
	*len = AGENT_ID_LEN;
}

static void number_key(const void *value, const void **key, size_t *len)
{
	const struct view_agent *a = value;

	*key = &a->number;
	*len = sizeof a->number;
}

static void pid_key(const void *value, const void **key, size_t *len)
{
	const struct view_owner *o = value;

	*key = &o->pid;
	*len = sizeof o->pid;
}

void view_agents_init(void)
{
	by_id = map_new(id_key);
	by_number = map_new(number_key);
	owners = map_new(pid_key);
}

struct view_agent *view_agent_find(const char *id)
{
	if (strlen(id) != AGENT_ID_LEN)
		return NULL;
	return map_find(by_id, id, AGENT_ID_LEN);
}

struct view_agent *view_agent_of(uint64_t ino)
{
	uint64_t number = ino >> (PLACE_BITS + GENERATION_BITS);

	return map_find(by_number, &number, sizeof number);
}

struct view_owner *view_owner_find(pid_t pid)
{
	return map_find(owners, &pid, sizeof pid);
}

/* Owners */

static void unbind(struct view_agent *a)
{
	struct view_owner *o = a->owner;
	struct view_agent **at;

	if (!o)
		return;
	for (at = &o->agents; *at != a;)
		at = &(*at)->next;
	*at = a->next;
	o->gone -= a->gone;
	a->owner = NULL;
	a->next = NULL;
	if (o->agents)
		return;
	ENSURE(map_drop(owners, &o->pid, sizeof o->pid) == o);
	view_owner_free(o);
}

static void agent_drop(struct view_agent *a)
{
	view_opens_end(a);
	unbind(a);
	ENSURE(map_drop(by_id, a->id, AGENT_ID_LEN) == a);
	ENSURE(map_drop(by_number, &a->number, sizeof a->number) == a);
	free(a);
}

/* All agents of a process that has ended; it goes with the last one. */
static void unbind_all(struct view_owner *o)
{
	struct view_agent *next;

	for (struct view_agent *a = o ? o->agents : NULL; a; a = next) {
		next = a->next;
		if (a->gone)
			agent_drop(a);
		else
			unbind(a);
	}
}

static void owner_ended(struct loop_fd *w, uint32_t events)
{
	(void)events;
	unbind_all((struct view_owner *)w); /* its first member */
}

/* The agent has ended. If its process has not, that shall see why. */
static void agent_end(struct view_agent *a)
{
	struct view_owner *o = a->owner;

	if (a->gone)
		return;
	if (!o || o->gone == VIEW_GONE || !view_owner_lives(o)) {
		agent_drop(a);
		return;
	}
	if (!o->end.loop) {
		o->end = (struct loop_fd){ .fd = o->pidfd,
					   .events = EPOLLIN,
					   .on = owner_ended };
		ENSURE(loop_watch(view.loop, &o->end) == OK);
	}
	view_opens_end(a);
	o->gone++;
	a->gone = true;
}

/* Two processes of one pid: the one that lives is the later one. */
static void bind(struct view_agent *a, pid_t pid, uint64_t start)
{
	struct view_owner *o;

	if (a->owner && a->owner->pid == pid && a->owner->start == start)
		return;
	unbind(a);
	o = view_owner_find(pid);
	if (!pid || (o && o->start > start))
		return;
	if (!o || o->start != start) {
		struct view_owner *born = view_owner_new(pid, start);

		if (!born)
			return;
		unbind_all(o);
		o = born;
		map_add(owners, o);
	}
	a->owner = o;
	a->next = o->agents;
	o->agents = a;
}

/* What keeper says */

static bool id_of(const struct msg *m, char id[AGENT_ID_LEN + 1])
{
	struct attr a;
	struct fault f;

	if (attr_only(m->attrs, "agent", &a) != OK ||
	    agent_id_check((struct span){ a.value, a.len }, &f) != OK)
		return false;
	memcpy(id, a.value, AGENT_ID_LEN);
	id[AGENT_ID_LEN] = 0;
	return true;
}

static bool number_of(struct attr_view v, const char *name, uint64_t max,
		      uint64_t *n)
{
	struct attr a;

	return attr_only(v, name, &a) == OK && attr_u64(&a, max, n) == OK;
}

/* What KV_AGENT says, before any of it counts. */
struct told {
	struct view_agent agent;
	uint64_t pid, start;
};

/* There is none before the first certificate. */
static bool serial_of(struct attr_view v, char serial[VIEW_SERIAL + 1])
{
	struct attr a;

	if (!attr_find(v, "serial", &a))
		return true;
	if (a.len > VIEW_SERIAL)
		return false;
	memcpy(serial, a.value, a.len);
	return true;
}

static bool told_parse(const struct msg *m, struct told *t)
{
	uint64_t changed;
	struct attr a;

	if (!id_of(m, t->agent.id) ||
	    !number_of(m->attrs, "pid", INT32_MAX, &t->pid) ||
	    !number_of(m->attrs, "start", UINT64_MAX, &t->start) ||
	    !number_of(m->attrs, "user_ns", UINT64_MAX, &t->agent.user_ns) ||
	    !number_of(m->attrs, "changed", INT64_MAX, &changed) ||
	    !serial_of(m->attrs, t->agent.serial))
		return false;
	t->agent.changed = (int64_t)changed;
	t->agent.self = attr_find(m->attrs, "self", &a) && attr_is(&a, "yes");
	for (unsigned i = 0; i < VIEW_FILES; i++) {
		char name[16];

		(void)snprintf(name, sizeof name, "size.%s", file_word[i]);
		if (!number_of(m->attrs, name, VIEW_CONTENT_MAX,
			       &t->agent.size[i]))
			return false;
	}
	return true;
}

static struct view_agent *agent_new(const char id[AGENT_ID_LEN + 1])
{
	struct view_agent *a;

	if (map_count(by_id) == VIEW_AGENTS) {
		log_text(LOG_ERR, "agents_full",
			 "%d agents have a file view: '%s' gets none",
			 VIEW_AGENTS, id);
		return NULL;
	}
	a = xcalloc(1, sizeof *a);
	memcpy(a->id, id, sizeof a->id);
	a->number = ++last_number;
	map_add(by_id, a);
	map_add(by_number, a);
	return a;
}

/* What its files are made of. */
static void content_set(struct view_agent *a, const struct view_agent *told)
{
	if (a->changed == told->changed &&
	    !memcmp(a->serial, told->serial, sizeof a->serial) &&
	    !memcmp(a->size, told->size, sizeof a->size))
		return;
	a->generation++;
	a->changed = told->changed;
	memcpy(a->serial, told->serial, sizeof a->serial);
	memcpy(a->size, told->size, sizeof a->size);
}

bool view_agent_told(const struct msg *m)
{
	struct told t = { 0 };
	struct view_agent *a;

	if (!told_parse(m, &t))
		return false;
	a = view_agent_find(t.agent.id);
	if (a && a->gone) {
		agent_drop(a);
		a = NULL;
	}
	if (!a)
		a = agent_new(t.agent.id);
	if (!a)
		return true;
	a->self = t.agent.self;
	a->user_ns = t.agent.user_ns;
	content_set(a, &t.agent);
	bind(a, (pid_t)t.pid, t.start);
	if (a->stale) {
		a->stale = false;
		view_opens_ask(a);
	}
	return true;
}

bool view_agent_gone(const struct msg *m)
{
	char id[AGENT_ID_LEN + 1];
	struct view_agent *a;

	if (!id_of(m, id))
		return false;
	a = view_agent_find(id);
	if (a)
		agent_end(a);
	return true;
}

void view_agents_stale(void)
{
	struct view_agent *a;
	size_t at = 0;

	while ((a = map_next(by_id, &at)))
		a->stale = true;
}

void view_agents_fresh(void)
{
	AUTO(mem_free)
	void *room = xcalloc(map_count(by_id) + 1, sizeof(struct view_agent *));
	struct view_agent **stale = room, *a;
	size_t at = 0, n = 0;

	/* the map must not change while it is walked */
	while ((a = map_next(by_id, &at)))
		if (a->stale)
			stale[n++] = a;
	while (n)
		agent_drop(stale[--n]);
}
