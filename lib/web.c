/* Requests of one process, one after the other on each of a few lanes (lib/web.h). Runs in
 * certmgr's net and in verifiers; holds what they ask and are answered. */
#include "lib/web_lane.h"

#include "lib/chan.h"
#include "lib/child.h"

#include <string.h>
#include <unistd.h>

enum {
	LANE_BITS = 8,   /* of a dial's id: which lane it is for */
	TXT_LANE = 0xff, /* … or none of them: a name is asked for */
	DIALS_MAX =
		2, /* of one request: a kept connection may just have died */
};

_Static_assert((int)WEB_LANES < (int)TXT_LANE, "a dial's id names its lane");

static struct {
	const struct web_setup *setup;
	struct loop *loop;
	struct chan dialer;
	uint64_t dials;
	struct web_ask *queue;
	struct loop_timer waiting; /* of the one that waits longest */
	struct loop_work turn;     /* whose turn is it? */
	uint64_t txt;              /* the name that is asked for; 0: none */
	char txt_name[WEB_HOST];
	void (*txt_done)(const struct msg *m);
	struct lane lane[WEB_LANES];
} web;

/* ---- ends */

static void lane_end(struct lane *l, const struct web_answer *a)
{
	struct web_ask *w = l->ask;

	loop_disarm(&l->limit);
	l->ask = NULL;
	w->lane = NULL;
	w->done(w, a); /* a is the lane's: it begins another later */
	lane_rest(l);
	web_next();
}

static void lane_fail(struct lane *l, enum err code, const char *why)
{
	struct web_answer a = { 0 };

	lane_stop(l);
	l->dial = 0;
	(void)fault_set(&a.why, code, "%s at '%s' is not reached: %s",
			lane_whom(l), l->ask->place->url, why);
	lane_end(l, &a);
}

static void overdue(struct loop_timer *t)
{
	struct lane *l =
		(struct lane *)((char *)t - offsetof(struct lane, limit));

	lane_fail(l, ERR_TIMEOUT, "no answer in time");
}

/* ---- connections */

static void send_dial(const struct lane *l)
{
	struct attrs a;

	attrs_init(&a);
	ENSURE(attrs_add_str(&a, "host", l->ask->place->host) == OK);
	ENSURE(attrs_add_u64(&a, "port", l->ask->place->port) == OK);
	ENSURE(attrs_add_str(&a, "loopback", "yes") == OK);
	if (l->ask->link_local)
		ENSURE(attrs_add_str(&a, "link_local", "yes") == OK);
	chan_tell(&web.dialer, DIAL, l->dial, attrs_view(&a));
	attrs_wipe(&a);
}

/* Without a dialer it waits for the next one. */
static void lane_dial(struct lane *l)
{
	l->dials++;
	l->dial = ++web.dials << LANE_BITS | (uint64_t)(l - web.lane);
	if (chan_is_open(&web.dialer))
		send_dial(l);
}

static void lane_run(struct lane *l)
{
	if (lane_begin(l) != OK)
		lane_fail(l, ERR_INTERNAL, "libcurl takes no request");
}

static struct lane *lane_of_dial(uint64_t id)
{
	struct lane *l = &web.lane[(id & ((1u << LANE_BITS) - 1)) % WEB_LANES];

	return l->dial == id ? l : NULL;
}

static void send_txt(void)
{
	struct attrs a;

	attrs_init(&a);
	ENSURE(attrs_add_str(&a, "name", web.txt_name) == OK);
	chan_tell(&web.dialer, DIAL_TXT, web.txt, attrs_view(&a));
	attrs_wipe(&a);
}

void web_txt(const char *name, void (*done)(const struct msg *m))
{
	ENSURE(!web.txt && strlen(name) < sizeof web.txt_name);
	memcpy(web.txt_name, name, strlen(name) + 1);
	web.txt = ++web.dials << LANE_BITS | TXT_LANE;
	web.txt_done = done;
	if (chan_is_open(&web.dialer))
		send_txt();
}

void web_txt_cancel(void)
{
	web.txt = 0;
}

/* An answer about a name, which is no connection. */
static bool took_txt(const struct msg *m)
{
	if ((m->id & TXT_LANE) != TXT_LANE || m->kind == DIAL_CONNECTED)
		return false;
	if (m->id == web.txt) {
		web.txt = 0;
		web.txt_done(m);
	}
	return true;
}

static void from_dialer(struct chan *c, const struct msg *m)
{
	struct lane *l = lane_of_dial(m->id);
	int fd = m->kind == DIAL_CONNECTED ? chan_take_fd(c) : -1;

	if (took_txt(m))
		return;
	if ((m->kind != DIAL_CONNECTED && m->kind != DIAL_FAILED) ||
	    (m->kind == DIAL_CONNECTED && fd < 0))
		child_broken("dialer");
	if (!l) { /* nobody waits for it any more */
		fd_close(&fd);
		return;
	}
	l->dial = 0;
	if (fd < 0) {
		lane_fail(l, ERR_UNAVAILABLE, child_text(m, "text"));
		return;
	}
	l->fd = fd;
	lane_run(l);
}

static void dialer_end(struct chan *c, const struct fault *why)
{
	(void)why;
	chan_close(c);
}

void web_dialer(int fd)
{
	static const struct chan_ops ops = { from_dialer, dialer_end, NULL };

	if (chan_is_open(&web.dialer))
		chan_close(&web.dialer);
	chan_open(&web.dialer, web.loop, fd, false, &ops);
	for (size_t i = 0; i < WEB_LANES; i++)
		if (web.lane[i].dial)
			send_dial(&web.lane[i]);
	if (web.txt)
		send_txt();
}

/* ---- a request's end, by libcurl */

static void lane_done(struct lane *l, CURLcode rc)
{
	struct web_answer a = { 0 };

	if (rc != CURLE_OK && l->wanted && l->dials < DIALS_MAX) {
		lane_stop(l);
		lane_dial(l);
		return;
	}
	lane_answer(l, rc, &a);
	lane_stop(l);
	lane_end(l, &a);
}

/* ---- the queue */

static struct lane *lane_free(void)
{
	for (size_t i = 0; i < WEB_LANES; i++)
		if (!web.lane[i].ask)
			return &web.lane[i];
	return NULL;
}

static void unqueue(struct web_ask *w)
{
	struct web_ask **at = &web.queue;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	w->queued = false;
}

/* An urgent one may stand before others that came earlier: nearly the first is due. */
static void arm_waiting(void)
{
	loop_disarm(&web.waiting);
	if (web.queue)
		loop_arm(web.loop, &web.waiting, web.queue->until);
}

static void lanes_next(struct loop_work *t)
{
	struct lane *l;

	(void)t;
	while (web.queue && (l = lane_free())) {
		struct web_ask *w = web.queue;

		unqueue(w);
		l->ask = w;
		w->lane = l;
		l->dials = 0;
		loop_arm(web.loop, &l->limit,
			 clock_boot() + web.setup->ask_time);
		lane_run(l);
	}
	arm_waiting();
}

static void waited(struct loop_timer *t)
{
	struct web_answer a = { 0 };
	struct web_ask *w;

	(void)t;
	while ((w = web.queue) && w->until <= loop_now(web.loop)) {
		unqueue(w);
		(void)fault_set(
			&a.why, ERR_TIMEOUT,
			"too many requests wait for the CA at '%s': its "
			"turn did not come in time",
			w->place->url);
		w->done(w, &a);
	}
	arm_waiting();
}

void web_start(struct web_ask *w)
{
	struct web_ask **at = &web.queue;

	while (*at && !w->urgent)
		at = &(*at)->next;
	w->next = *at;
	*at = w;
	w->queued = true;
	w->until = clock_boot() + web.setup->wait_time;
	web_next();
}

void web_cancel(struct web_ask *w)
{
	struct lane *l = w->lane;

	if (w->queued)
		unqueue(w);
	if (!l)
		return;
	loop_disarm(&l->limit);
	lane_stop(l);
	lane_rest(l);
	l->dial = 0;
	l->ask = NULL;
	w->lane = NULL;
}

void web_next(void)
{
	loop_defer(web.loop, &web.turn);
}

void web_root_changed(void)
{
	lanes_root_changed();
}

void web_forget(void)
{
	lanes_forget();
}

void web_open(struct loop *loop, const struct web_setup *s)
{
	web.setup = s;
	web.loop = loop;
	web.waiting.on = waited;
	web.turn.on = lanes_next;
	lanes_warm(s);
	for (size_t i = 0; i < WEB_LANES; i++) {
		web.lane[i].limit.on = overdue;
		lane_open(&web.lane[i], loop, lane_done);
	}
}
