/* gate: drives libmicrohttpd. Holds nothing of its own. */
#include "lib/mhd.h"

#include "lib/clock.h"

#include <string.h>

enum {
	MHD_PASSES = 8 /* in one turn, before others have theirs */
};

static void mhd_next(struct mhd *m)
{
	MHD_UNSIGNED_LONG_LONG ms;
	uint64_t at;

	if (MHD_get_timeout(m->daemon, &ms) != MHD_YES) {
		loop_disarm(&m->timer);
		return;
	}
	/* Rarely armed anew: firing early costs a look, arming costs each time. */
	at = loop_now(m->loop) + MIN(ms, 3600000u) * CLOCK_MS;
	if (!m->timer.loop || m->timer.at > at)
		loop_arm(m->loop, &m->timer, at);
}

static bool mhd_ready(struct mhd *m)
{
	MHD_UNSIGNED_LONG_LONG ms;

	return MHD_get_timeout(m->daemon, &ms) == MHD_YES && !ms;
}

void mhd_run(struct mhd *m)
{
	unsigned passes = 0;

	ENSURE(!m->inside);
	m->inside = true;
	do {
		ENSURE(MHD_run(m->daemon) == MHD_YES);
		if (m->after)
			m->after(m);
	} while (++passes < MHD_PASSES && mhd_ready(m));
	m->inside = false;
	mhd_next(m);
}

static void on_event(struct loop_fd *w, uint32_t events)
{
	(void)events;
	mhd_run((struct mhd *)((char *)w - offsetof(struct mhd, watch)));
}

static void on_timer(struct loop_timer *t)
{
	mhd_run((struct mhd *)((char *)t - offsetof(struct mhd, timer)));
}

static void on_work(struct loop_work *w)
{
	mhd_run((struct mhd *)((char *)w - offsetof(struct mhd, work)));
}

void mhd_init(struct mhd *m, struct MHD_Daemon *daemon)
{
	const union MHD_DaemonInfo *i =
		MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD);

	ENSURE(i != NULL);
	*m = (struct mhd){ .daemon = daemon };
	m->watch = (struct loop_fd){ .fd = i->epoll_fd,
				     .events = EPOLLIN,
				     .on = on_event };
	m->timer.on = on_timer;
	m->work.on = on_work;
}

void mhd_watch(struct mhd *m, struct loop *l)
{
	m->loop = l;
	ENSURE(loop_watch(l, &m->watch) == OK);
}

void mhd_wake(struct mhd *m)
{
	loop_defer(m->loop, &m->work);
}

void mhd_close(struct mhd *m)
{
	if (m->loop) {
		loop_unwatch(&m->watch);
		loop_disarm(&m->timer);
		loop_undefer(m->loop, &m->work);
	}
	if (m->daemon)
		MHD_stop_daemon(m->daemon);
	m->daemon = NULL;
	m->loop = NULL;
}

struct MHD_Response *mhd_response(const void *p, size_t len, const char *type)
{
	/* MHD copies, and asks for a pointer that it could write through */
	union {
		const void *in;
		void *out;
	} bytes = { p };
	struct MHD_Response *r = MHD_create_response_from_buffer(
		len, bytes.out, MHD_RESPMEM_MUST_COPY);

	ENSURE(r != NULL);
	mhd_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	return r;
}

void mhd_header(struct MHD_Response *r, const char *name, const char *value)
{
	ENSURE(MHD_add_response_header(r, name, value) == MHD_YES);
}

enum MHD_Result mhd_answer(struct MHD_Connection *c, unsigned status,
			   struct MHD_Response *r)
{
	enum MHD_Result e = MHD_queue_response(c, status, r);

	MHD_destroy_response(r);
	return e;
}

const char *mhd_request_header(struct MHD_Connection *c, const char *name)
{
	return MHD_lookup_connection_value(c, MHD_HEADER_KIND, name);
}

size_t mhd_raw_target(void *cls, struct MHD_Connection *c, char *text)
{
	(void)cls;
	(void)c;
	return strlen(text);
}
