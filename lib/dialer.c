/* Dialer: resolves names and connects, and hands the connection on. Holds nothing,
 * and no byte of a connection.
 * Askers are whom the supervisor introduces: ca's issuer, certmgr's net, a verifier.
 *	asker <-> dialer	enum dial_kind (lib/kinds.h)
 * Descriptors at start: 3 supervisor. */
#include "lib/dialer.h"

#include "lib/child.h"
#include "lib/clock.h"
#include "lib/kinds.h"
#include "lib/roles.h"

#include <ares.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	DIALS_MAX = 64,    /* at once */
	WAITING_MAX = 512, /* for their turn, of one asker */
	ASKERS_MAX = 4,
	ASKER_NAME = 32, /* with NUL */
	UNREAD_MAX = 64, /* connections that one asker has not taken yet */
};

/* Who has not had his turn by then is told so. */
#define WAITING_TIME (4 * CLOCK_SECOND)

struct asker {
	struct chan chan; /* first member */
	char name[ASKER_NAME];
	size_t waiting; /* of his orders */
};

/* What an asker asked for. */
struct order {
	struct order *next;
	struct asker *by;
	uint64_t id;
	char host[DIAL_HOST];
	uint16_t port;
	unsigned also;
	uint64_t until;    /* waits no longer */
	struct dial *dial; /* NULL: it waits for its turn */
};

/* In the order in which they came; those that have had their turn are the first. */
static struct order *orders;
static size_t dialling;
static struct loop *loop;
static struct loop_timer timer; /* of who has waited longest */
static struct chan sup;
static struct asker askers[ASKERS_MAX];

static void order_drop(struct order *o)
{
	struct order **at = &orders;

	while (*at != o)
		at = &(*at)->next;
	*at = o->next;
	if (o->dial)
		dialling--;
	else
		o->by->waiting--;
	dial_free(o->dial);
	free(o);
}

static void tell_failed(struct asker *to, uint64_t id, const char *text)
{
	struct attrs a;

	attrs_init(&a);
	ENSURE(attrs_add_str(&a, "text", text) == OK);
	chan_tell(&to->chan, DIAL_FAILED, id, attrs_view(&a));
	attrs_wipe(&a);
}

/* Without waiting for who does not read: others do. The asker may be gone: then nobody
 * wants it. */
static void tell_connected(struct asker *to, uint64_t id,
			   const struct dial_result *r)
{
	char text[ADDRESS_TEXT];
	struct attrs a;
	int fd = r->fd;

	if (chan_posted(&to->chan) >= UNREAD_MAX) {
		close(fd);
		tell_failed(to, id, "those before it are not read");
		return;
	}
	address_format(&r->address, text);
	attrs_init(&a);
	ENSURE(attrs_add_str(&a, "address", text) == OK);
	(void)!chan_post_fds(&to->chan, DIAL_CONNECTED, id, attrs_view(&a), &fd,
			     1);
	attrs_wipe(&a);
}

static void next_turns(void);

static void dialled(void *arg, const struct dial_result *r)
{
	struct order *o = arg;

	if (r->fd >= 0)
		tell_connected(o->by, o->id, r);
	else
		tell_failed(o->by, o->id, r->why.text);
	order_drop(o);
	next_turns();
}

static struct order *first_waiting(void)
{
	struct order *o = orders;

	while (o && o->dial)
		o = o->next;
	return o;
}

static void next_turns(void)
{
	struct order *o;

	while (dialling < DIALS_MAX && (o = first_waiting())) {
		o->dial = dial_new(loop, o->host, o->port, o->also, dialled, o);
		o->by->waiting--;
		dialling++;
	}
	loop_disarm(&timer);
	o = first_waiting();
	if (o)
		loop_arm(loop, &timer, o->until);
}

static void waited(struct loop_timer *t)
{
	struct order *o;

	(void)t;
	while ((o = first_waiting()) && o->until <= loop_now(loop)) {
		tell_failed(o->by, o->id,
			    "too many connections are being made: "
			    "its turn did not come in time");
		order_drop(o);
	}
	next_turns();
}

/* A name or a numeric address, nothing else. */
static bool host_ok(const char *host)
{
	size_t n = strlen(host);

	return n && n < DIAL_HOST &&
	       strspn(host, "abcdefghijklmnopqrstuvwxyz"
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			    "0123456789.-_:") == n;
}

static void order_add(struct asker *by, const struct msg *m)
{
	struct order **at = &orders;
	struct order *o = xcalloc(1, sizeof *o);
	const char *host = child_text(m, "host");
	struct attr a;

	memcpy(o->host, host, strlen(host) + 1);
	o->by = by;
	o->id = m->id;
	o->port = (uint16_t)child_number(m, "port", UINT16_MAX);
	if (attr_find(m->attrs, "loopback", &a) && attr_is(&a, "yes"))
		o->also |= DIAL_LOOPBACK;
	if (attr_find(m->attrs, "link_local", &a) && attr_is(&a, "yes"))
		o->also |= DIAL_LINK_LOCAL;
	o->until = loop_now(loop) + WAITING_TIME;
	while (*at)
		at = &(*at)->next;
	*at = o;
	by->waiting++;
	next_turns();
}

static void from_namer(struct asker *by, const struct msg *m)
{
	const char *name = child_text(m, "name");

	if (host_ok(name))
		txt_ask(loop, &by->chan, m, name);
	else
		tell_failed(by, m->id, "this is no name");
}

static void from_asker(struct chan *c, const struct msg *m)
{
	struct asker *by = (struct asker *)c;

	if (m->kind == DIAL_TXT) {
		from_namer(by, m);
		return;
	}
	if (m->kind != DIAL)
		child_broken(by->name);
	if (!host_ok(child_text(m, "host")))
		tell_failed(by, m->id, "this is neither a name nor an address");
	else if (!child_number(m, "port", UINT16_MAX))
		tell_failed(by, m->id, "there is no port 0");
	else if (by->waiting == WAITING_MAX)
		tell_failed(by, m->id,
			    "too many connections are being made: "
			    "try again later");
	else
		order_add(by, m);
}

static struct order *first_of(const struct asker *by)
{
	struct order *o = orders;

	while (o && o->by != by)
		o = o->next;
	return o;
}

/* Nobody waits for what it wanted; a new one will introduce itself. */
static void asker_end(struct chan *c, const struct fault *why)
{
	struct asker *by = (struct asker *)c;
	struct order *o;

	(void)why;
	txt_drop(c);
	chan_close(c);
	while ((o = first_of(by)))
		order_drop(o);
	next_turns();
}

/* The one of that name that was there before, or a place for another. */
static struct asker *asker_of(const char *name)
{
	struct asker *free = NULL;

	for (size_t i = 0; i < ASKERS_MAX; i++) {
		if (!strcmp(askers[i].name, name))
			return &askers[i];
		if (!free && !askers[i].name[0])
			free = &askers[i];
	}
	if (!free || strlen(name) >= sizeof free->name)
		child_broken("supervisor");
	memcpy(free->name, name, strlen(name) + 1);
	return free;
}

static void peer_came(const char *peer, const struct msg *m, int fd)
{
	static const struct chan_ops ops = { from_asker, asker_end, NULL };
	struct asker *by = asker_of(peer);

	(void)m;
	if (chan_is_open(&by->chan))
		asker_end(&by->chan, NULL);
	chan_open(&by->chan, loop, fd, false, &ops);
}

/* What c-ares reads: its configuration, where that is a link to; and, if it can get
 * them in no other way, random bytes. What is not there it does not need. */
static void resolver_files(struct confine_spec *spec)
{
	static const char *const paths[] = { "/etc", "/run/systemd/resolve",
					     "/run/resolvconf",
					     "/dev/urandom" };

	for (size_t i = 0; i < NELEM(paths); i++) {
		int fd = open(paths[i], O_PATH | O_CLOEXEC);

		if (fd >= 0)
			spec->path[spec->paths++] = (struct landlock_path){
				.fd = fd, .rights = LANDLOCK_READ
			};
	}
}

int role_dialer(void)
{
	static const struct child_ops ops = { .peer = peer_came,
					      .confine = resolver_files };

	timer.on = waited;
	ENSURE(!ares_library_init(ARES_LIB_INIT_ALL));
	loop = loop_new();
	child_start(loop, &sup, CONFINE_DIALER, &ops);
	child_ready(&sup);
	loop_run(loop);
	return 0;
}
