/* Prober (one shot): one TLS handshake over a connection it is given, to see whether
 * an agent has its key. Holds nothing.
 *	issuer <-> prober	enum issuer_prober_kind (ca/kinds.h)
 * Descriptors at start: 3 supervisor. */
#include "ca/prober.h"

#include "ca/kinds.h"
#include "ca/roles.h"
#include "lib/child.h"
#include "lib/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	GULP = 4096,        /* bytes read at once */
	OUT_MAX = 64 << 10, /* bytes to be sent */
};

/* One handshake takes at most this. */
#define PROBE_TIME (5 * CLOCK_SECOND)

static struct loop *loop;
static struct chan sup, issuer;
static struct loop_fd peer = { .fd = -1 };
static struct loop_timer timer;
static struct handshake *handshake;
static struct buf out;

/* Says it, and that was all. */
static void say(bool proven, const char *text)
{
	struct attrs a;

	attrs_init(&a);
	ENSURE(attrs_add_str(&a, "proven", proven ? "yes" : "no") == OK);
	ENSURE(attrs_add_str(&a, "text", text) == OK);
	chan_tell(&issuer, IP_RESULT, 0, attrs_view(&a));
	chan_flush(&issuer);
	attrs_wipe(&a);
	loop_unwatch(&peer);
	loop_disarm(&timer);
	loop_stop(loop);
}

/* As much as it takes now; false: it takes none any more. */
static bool send_out(void)
{
	ssize_t n;

	ENSURE(handshake_give(handshake, &out) == OK);
	while (out.len) {
		n = send(peer.fd, out.p, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		buf_drop(&out, (size_t)n);
	}
	return true;
}

static void judged(enum handshake_state state, const struct fault *why)
{
	/* our Finished, or the alert that says why; if it is still wanted */
	(void)send_out();
	if (state != HANDSHAKE_GOES_ON)
		say(state == HANDSHAKE_PROVEN, why->text);
}

static void from_peer(void)
{
	uint8_t b[GULP];
	struct fault why;
	enum handshake_state state;
	ssize_t n = recv(peer.fd, b, sizeof b, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* a connection that breaks has ended */
	state = handshake_take(handshake, b, n > 0 ? (size_t)n : 0, &why);
	judged(state, &why);
}

static void ready(struct loop_fd *w, uint32_t events)
{
	if (events & EPOLLOUT)
		(void)send_out();
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		from_peer();
	if (w->loop)
		loop_change(w, EPOLLIN | (out.len ? (uint32_t)EPOLLOUT : 0));
}

static void time_is_up(struct loop_timer *t)
{
	(void)t;
	say(false, "its handshake was not done in time");
}

static void start(const struct msg *m, int fd)
{
	const char *host = child_text(m, "host");
	struct attr spki;

	if (attr_only(m->attrs, "spki", &spki) != OK || !spki.len ||
	    spki.len > PROBE_SPKI_MAX || !*host || strlen(host) >= PROBE_HOST)
		child_broken("issuer");
	handshake = handshake_new(spki.value, spki.len, host);
	peer = (struct loop_fd){ .fd = fd,
				 .events = EPOLLIN | EPOLLOUT,
				 .on = ready };
	timer.on = time_is_up;
	loop_arm(loop, &timer, clock_boot() + PROBE_TIME);
	if (loop_watch(loop, &peer) != OK)
		child_broken("issuer");
}

static void from_issuer(struct chan *c, const struct msg *m)
{
	int fd = chan_take_fd(c);

	if (m->kind != IP_PROBE || fd < 0 || handshake)
		child_broken("issuer");
	start(m, fd);
}

/* Nobody wants to know any more. */
static void issuer_end(struct chan *c, const struct fault *why)
{
	(void)why;
	chan_close(c);
	loop_stop(loop);
}

static void peer_came(const char *name, const struct msg *m, int fd)
{
	static const struct chan_ops ops = { from_issuer, issuer_end, NULL };

	(void)m;
	if (strcmp(name, "issuer") != 0 || chan_is_open(&issuer))
		child_broken("supervisor");
	chan_open(&issuer, loop, fd, false, &ops);
}

int role_prober(void)
{
	static const struct child_ops ops = { .peer = peer_came };

	loop = loop_new();
	buf_init(&out, OUT_MAX);
	handshake_warm();
	child_start(loop, &sup, CONFINE_PROBER, &ops);
	child_ready(&sup);
	loop_run(loop);
	return 0;
}
