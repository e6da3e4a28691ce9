/* Dialer: one connection being made: the name, then its allowed addresses one after
 * the other. Holds nothing, and reads no byte of the connection. */
#include "lib/dialer.h"

#include "lib/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct dial {
	struct loop *loop;
	char host[DIAL_HOST];
	uint16_t port;
	unsigned also;
	uint64_t deadline;
	struct name *name;
	struct address address[DIAL_ADDRESSES];
	size_t n, at;
	struct loop_fd watch; /* of the connection that is being made */
	struct loop_timer timer;
	struct dial_result result;
	void (*on_done)(void *arg, const struct dial_result *r);
	void *arg;
};

static void done(struct dial *d)
{
	loop_disarm(&d->timer);
	d->on_done(d->arg, &d->result);
}

/* The present address' attempt is over. */
static void hang_up(struct dial *d)
{
	loop_unwatch(&d->watch);
	fd_close(&d->watch.fd);
}

static void failed(struct dial *d, const char *why)
{
	char text[ADDRESS_TEXT];

	address_format(&d->address[d->at], text);
	(void)!fault_set(&d->result.why, ERR_UNAVAILABLE,
			 "no connection to '%s' at '%s' port %u: %s", d->host,
			 text, d->port, why);
}

static enum err try_one(struct dial *d)
{
	const struct address *a = &d->address[d->at];
	struct sockaddr_storage to;
	socklen_t len = address_sockaddr(a, d->port, &to);

	d->watch.fd = socket(to.ss_family,
			     SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (d->watch.fd < 0)
		return ERR_UNAVAILABLE;
	if (connect(d->watch.fd, (const struct sockaddr *)&to, len) &&
	    errno != EINPROGRESS)
		return ERR_UNAVAILABLE;
	d->watch.events = EPOLLOUT;
	return loop_watch(d->loop, &d->watch);
}

/* Each of the addresses that are left gets its share of the time that is. */
static void try_next(struct dial *d)
{
	uint64_t now = clock_boot();
	uint64_t left = d->deadline > now ? d->deadline - now : 0;

	for (; d->at < d->n && left; d->at++) {
		if (try_one(d) == OK) {
			loop_arm(d->loop, &d->timer,
				 now + left / (d->n - d->at));
			return;
		}
		failed(d, strerror(errno));
		hang_up(d);
	}
	done(d);
}

/* Whoever sees his own address at the other end speaks to himself, however that
 * address came to be his since the list was read. */
static bool is_self(const struct dial *d)
{
	struct sockaddr_storage s;
	socklen_t len = sizeof s;
	struct address me;

	if ((d->also & DIAL_LOOPBACK) &&
	    address_class(&d->address[d->at]) == ADDRESS_LOOPBACK)
		return false;
	return getsockname(d->watch.fd, (struct sockaddr *)&s, &len) ||
	       address_of_sockaddr((const struct sockaddr *)&s, &me) != OK ||
	       address_same(&me, &d->address[d->at]);
}

static void connected(struct loop_fd *w, uint32_t events)
{
	struct dial *d =
		(struct dial *)((char *)w - offsetof(struct dial, watch));
	int error = 0;
	socklen_t len = sizeof error;

	(void)events;
	if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &len))
		error = errno;
	if (error || is_self(d)) {
		failed(d, error ? strerror(error) : "it is this machine");
		hang_up(d);
		d->at++;
		try_next(d);
		return;
	}
	loop_unwatch(w);
	d->result.fd = w->fd;
	w->fd = -1;
	d->result.address = d->address[d->at];
	done(d);
}

static bool allowed(const struct dial *d, const struct address *a,
		    const struct address_own *own, struct fault *f)
{
	enum address_class class = address_class(a);

	if ((d->also & DIAL_LINK_LOCAL) &&
	    (class == ADDRESS_LINK_LOCAL || class == ADDRESS_METADATA))
		return true;
	return address_check(a, d->also & DIAL_LOOPBACK, own, f) == OK;
}

/* The first refusal stands for them all. */
static enum err choose(struct dial *d, const struct name_answer *a)
{
	struct address_own own;
	struct fault f, first = { .code = OK };

	TRY(address_own_read(&own, &d->result.why));
	for (size_t i = 0; i < a->n && d->n < DIAL_ADDRESSES; i++)
		if (allowed(d, &a->address[i], &own, &f))
			d->address[d->n++] = a->address[i];
		else if (first.code == OK)
			first = f;
	address_own_wipe(&own);
	if (d->n)
		return OK;
	return fault_set(&d->result.why, ERR_DENIED,
			 "'%s' may not be dialled: %s", d->host, first.text);
}

static void resolved(void *arg, const struct name_answer *a)
{
	struct dial *d = arg;
	bool good = a->n > 0;

	if (good)
		good = choose(d, a) == OK;
	else
		d->result.why = a->why;
	name_free(d->name);
	d->name = NULL;
	if (good)
		try_next(d);
	else
		done(d);
}

static void time_is_up(struct loop_timer *t)
{
	struct dial *d =
		(struct dial *)((char *)t - offsetof(struct dial, timer));

	if (d->name) {
		(void)!fault_set(&d->result.why, ERR_TIMEOUT,
				 "no name server answers about '%s' in time",
				 d->host);
		done(d);
		return;
	}
	failed(d, "no answer in time");
	hang_up(d);
	d->at++;
	try_next(d);
}

struct dial *dial_new(struct loop *l, const char *host, uint16_t port,
		      unsigned also,
		      void (*on_done)(void *arg, const struct dial_result *r),
		      void *arg)
{
	struct dial *d = xcalloc(1, sizeof *d);

	ENSURE(strlen(host) < sizeof d->host);
	memcpy(d->host, host, strlen(host) + 1);
	d->loop = l;
	d->port = port;
	d->also = also;
	d->result.fd = -1;
	d->watch = (struct loop_fd){ .fd = -1, .on = connected };
	d->timer.on = time_is_up;
	d->on_done = on_done;
	d->arg = arg;
	d->deadline = clock_boot() + DIAL_TIME;
	loop_arm(l, &d->timer, d->deadline);
	d->name = name_new(l, host, resolved, d);
	return d;
}

void dial_free(struct dial *d)
{
	if (!d)
		return;
	name_free(d->name);
	hang_up(d);
	loop_disarm(&d->timer);
	free(d);
}
