/* Calls and their answers over one connection. Runs in clients; holds nothing
 * secret: what is confidential was sealed before it came here.
 *	client -> daemon	CALL id verb=… (up to 128 in flight, written in batches)
 *	daemon -> client	ITEM id …, REPLY id … | ERROR id error= text= */
#include "lib/client_web.h"

#include "lib/clock.h"
#include "lib/msg.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Kinds of docs/protocol.md. */
enum {
	WIRE_CALL = 1,
	WIRE_REPLY,
	WIRE_ERROR,
	WIRE_ITEM,
};

struct client_call *client_find(struct cretula *c, uint32_t id)
{
	for (size_t i = 0; i < NELEM(c->call); i++)
		if (c->call[i].state != CALL_FREE && c->call[i].id == id)
			return &c->call[i];
	return NULL;
}

static struct client_call *free_call(struct cretula *c)
{
	for (size_t i = 0; i < NELEM(c->call); i++)
		if (c->call[i].state == CALL_FREE)
			return &c->call[i];
	return NULL;
}

static void call_done(struct cretula *c, struct client_call *k)
{
	if (k->state == CALL_WAITS)
		c->waiting--;
	k->state = CALL_DONE;
	client_fds_forget(c, k);
	buf_wipe(&k->frame);
}

static void call_end(struct cretula *c, struct client_call *k)
{
	call_done(c, k);
	cretula_answer_free(k->answer);
	k->answer = NULL;
	k->state = CALL_FREE;
}

void client_fail_waiting(struct cretula *c, const struct cretula_error *err)
{
	for (size_t i = 0; i < NELEM(c->call); i++) {
		struct client_call *k = &c->call[i];

		if (k->state != CALL_WAITS)
			continue;
		k->err = *err;
		call_done(c, k);
	}
}

void client_answered(struct cretula *c, uint32_t id, struct cretula_answer *a,
		     const struct cretula_error *err)
{
	struct client_call *k = client_find(c, id);

	if (!k || k->state != CALL_WAITS) {
		cretula_answer_free(a);
		return;
	}
	if (a) {
		cretula_answer_free(k->answer);
		k->answer = a;
	} else {
		k->err = *err;
	}
	call_done(c, k);
}

/* Puts the calls that may be repeated on the new connection. */
static void repeat_waiting(struct cretula *c)
{
	for (size_t i = 0; i < NELEM(c->call); i++) {
		struct client_call *k = &c->call[i];
		size_t before = c->out.len;

		if (k->state != CALL_WAITS)
			continue;
		cretula_answer_free(k->answer);
		k->answer = client_answer_new();
		k->repeats = false;
		if (buf_put(&c->out, k->frame.p, k->frame.len) != OK) {
			client_fail(&k->err, ERR_TOO_LARGE,
				    "too much is queued");
			call_done(c, k);
		}
		client_fds_mark(c, k, before);
		buf_wipe(&k->frame);
	}
}

/* The connection ended: what may be repeated is, once, the rest fails. */
static void connection_lost(struct cretula *c)
{
	uint64_t until =
		MIN(client_deadline(c), clock_boot() + CLIENT_RECONNECT_NS);
	struct cretula_error err;

	fd_close(&c->fd);
	client_fail(&err, ERR_UNAVAILABLE,
		    "the connection to %s ended before it answered: it may "
		    "or may not have been done",
		    client_name(c->daemon));
	for (size_t i = 0; i < NELEM(c->call); i++) {
		struct client_call *k = &c->call[i];

		if (k->state != CALL_WAITS || k->repeats)
			continue;
		k->err = err;
		call_done(c, k);
	}
	if (!c->waiting)
		return;
	if (client_connect(c, true, until, &err))
		client_fail_waiting(c, &err);
	else
		repeat_waiting(c);
}

/* One message for a call that waits. */
static void call_message(struct cretula *c, struct client_call *k,
			 const struct msg *m)
{
	enum err e = OK;

	if (m->kind == WIRE_ERROR) {
		client_error_read(m->attrs, &k->err);
		call_done(c, k);
		return;
	}
	if (m->kind == WIRE_ITEM)
		e = client_answer_item(k->answer, m->attrs);
	else
		e = attrs_add_view(&k->answer->reply.a, m->attrs);
	if (e != OK)
		client_fail(&k->err, e, "an answer is over %d bytes",
			    CLIENT_ANSWER_MAX);
	if (e != OK || m->kind == WIRE_REPLY)
		call_done(c, k);
}

/* False if the connection cannot go on. */
static bool on_message(struct cretula *c, const struct msg *m)
{
	struct client_call *k;
	struct cretula_error err;

	c->heard = true;
	if (m->kind == WIRE_ERROR && m->id == CLIENT_NO_ID) {
		client_error_read(m->attrs, &err);
		fd_close(&c->fd);
		client_fail_waiting(c, &err);
		return false;
	}
	if (m->kind < WIRE_REPLY || m->kind > WIRE_ITEM || m->id > UINT32_MAX) {
		client_fail(&err, ERR_INTERNAL,
			    "%s sent a message of unknown kind %u",
			    client_name(c->daemon), m->kind);
		fd_close(&c->fd);
		client_fail_waiting(c, &err);
		return false;
	}
	k = client_find(c, (uint32_t)m->id);
	if (k && k->state == CALL_WAITS)
		call_message(c, k, m);
	return true;
}

static void read_messages(struct cretula *c)
{
	size_t at = 0, used = 0;
	struct cretula_error err;
	struct fault f;
	struct msg m;
	enum err e;

	for (;;) {
		e = msg_get(c->in.p + at, c->in.len - at, &m, &used, &f);
		if (e != OK)
			break;
		if (!on_message(c, &m))
			return;
		at += used;
	}
	buf_drop(&c->in, at);
	if (e == ERR_PENDING)
		return;
	client_fail(&err, ERR_INTERNAL, "%s's answer is unreadable: %s",
		    client_name(c->daemon), f.text);
	fd_close(&c->fd);
	client_fail_waiting(c, &err);
}

/* Reads what is there. False when the connection is over. */
static bool read_some(struct cretula *c)
{
	while (c->fd >= 0) {
		ssize_t n;

		ENSURE(buf_reserve(&c->in, CLIENT_GULP) == OK);
		n = recv(c->fd, c->in.p + c->in.len, CLIENT_GULP, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n <= 0)
			return false;
		c->in.len += (size_t)n;
		read_messages(c);
		if (n < CLIENT_GULP)
			return true;
	}
	return true;
}

void cretula_process(struct cretula *c)
{
	bool up;

	if (c->fd < 0)
		return;
	if (c->web) {
		up = client_web_process(c);
	} else {
		up = client_write(c);
		/* Even when writing failed: the reason may be there to be read. */
		up = read_some(c) && up;
	}
	if (!up && c->fd >= 0)
		connection_lost(c);
}

short cretula_events(const struct cretula *c)
{
	bool writes = c->out.len && !client_fds_wait(c);

	if (c->fd < 0)
		return 0;
	if (c->web)
		return client_web_events(c);
	return (short)(POLLIN | (writes ? POLLOUT : 0));
}

/* True if the daemon has closed a connection that nothing waits on. */
static bool gone_idle(struct cretula *c)
{
	char byte;

	if (c->waiting || c->out.len)
		return false;
	if (c->web)
		return client_web_gone(c);
	return recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static enum cretula_err be_connected(struct cretula *c,
				     struct cretula_error *err)
{
	struct cretula_error forked;

	if (c->fd >= 0 && c->pid != getpid()) {
		client_fail(&forked, ERR_UNAVAILABLE,
			    "the process forked with calls in flight");
		client_fail_waiting(c, &forked);
		fd_close(&c->fd);
	}
	if (c->fd >= 0 && !gone_idle(c))
		return CRETULA_ERR_NONE;
	return client_connect(c, c->fd >= 0, client_deadline(c), err);
}

static uint32_t next_id(struct cretula *c)
{
	do {
		c->next_id =
			c->next_id + 1 == CLIENT_NO_ID ? 1 : c->next_id + 1;
	} while (client_find(c, c->next_id));
	return c->next_id;
}

/* The call's frame at the end of out. */
static enum err put_call(struct buf *out, uint32_t id, const char *verb,
			 struct attr_view args)
{
	struct attrs list;
	enum err e;

	attrs_init(&list);
	e = attrs_add_str(&list, "verb", verb);
	if (e == OK)
		e = attrs_add_view(&list, args);
	if (e == OK)
		e = msg_put(out, WIRE_CALL, id, attrs_view(&list));
	attrs_wipe(&list);
	return e;
}

enum cretula_err client_submit_at(struct cretula *c, const char *verb,
				  struct attr_view args, uint32_t *id,
				  size_t *at, struct cretula_error *err)
{
	struct client_call *k = free_call(c);
	enum cretula_err ce;
	size_t before;
	enum err e;

	if (!k)
		return client_fail(err, ERR_LIMITED,
				   "%d calls are in flight already: wait for "
				   "one first",
				   CRETULA_IN_FLIGHT);
	ce = be_connected(c, err);
	if (ce)
		return ce;
	*k = (struct client_call){ .id = next_id(c) };
	before = c->out.len;
	e = put_call(&c->out, k->id, verb, args);
	if (e != OK) {
		c->out.len = before;
		return client_fail(err, e,
				   "the request is over the %d bytes of one "
				   "message",
				   MSG_MAX);
	}
	k->repeats = client_is_harmless(verb);
	if (k->repeats) {
		buf_init(&k->frame, 4 + MSG_MAX);
		e = buf_put(&k->frame, c->out.p + before, c->out.len - before);
		ENSURE(e == OK);
	}
	k->answer = client_answer_new();
	k->state = CALL_WAITS;
	c->waiting++;
	*id = k->id;
	*at = before;
	return CRETULA_ERR_NONE;
}

enum cretula_err client_submit(struct cretula *c, const char *verb,
			       struct attr_view args, uint32_t *id,
			       struct cretula_error *err)
{
	size_t at;

	return client_submit_at(c, verb, args, id, &at, err);
}

enum cretula_err cretula_submit(struct cretula *c, const char *verb,
				const struct cretula_list *args, uint32_t *id,
				struct cretula_error *err)
{
	return client_submit(
		c, verb, args ? attrs_view(&args->a) : (struct attr_view){ 0 },
		id, err);
}

/* Processes, and waits for more if nothing got done. False when time is up. */
static bool wait_turn(struct cretula *c, uint64_t deadline)
{
	struct pollfd w = { .fd = c->fd, .events = cretula_events(c) };

	if (poll(&w, 1, client_poll_ms(deadline)) == 0 &&
	    clock_boot() >= deadline)
		return false;
	cretula_process(c);
	return true;
}

static enum cretula_err hand_over(struct cretula *c, struct client_call *k,
				  struct cretula_answer **answer,
				  struct cretula_error *err)
{
	enum cretula_err e = k->err.code;

	if (!e) {
		*answer = k->answer;
		k->answer = NULL;
	} else if (err) {
		*err = k->err;
	}
	call_end(c, k);
	return e;
}

enum cretula_err cretula_wait(struct cretula *c, uint32_t id,
			      struct cretula_answer **answer,
			      struct cretula_error *err)
{
	uint64_t deadline = client_deadline(c);
	struct client_call *k = client_find(c, id);

	if (!k)
		return client_fail(err, ERR_NOT_FOUND,
				   "no call %u is in flight", id);
	if (k->state == CALL_WAITS)
		cretula_process(c);
	while (k->state == CALL_WAITS) {
		if (wait_turn(c, deadline))
			continue;
		call_end(c, k);
		return client_fail(err, ERR_TIMEOUT,
				   "%s did not answer within %d ms",
				   client_name(c->daemon), c->timeout_ms);
	}
	return hand_over(c, k, answer, err);
}

int cretula_ready(const struct cretula *c, uint32_t *id)
{
	for (size_t i = 0; i < NELEM(c->call); i++) {
		if (c->call[i].state != CALL_DONE)
			continue;
		*id = c->call[i].id;
		return 1;
	}
	return 0;
}

enum cretula_err cretula_wait_any(struct cretula *c, uint32_t *id,
				  struct cretula_error *err)
{
	uint64_t deadline = client_deadline(c);

	if (!cretula_ready(c, id))
		cretula_process(c);
	while (!cretula_ready(c, id)) {
		if (!c->waiting)
			return client_fail(err, ERR_NOT_FOUND,
					   "no call is in flight");
		if (!wait_turn(c, deadline))
			return client_fail(err, ERR_TIMEOUT,
					   "%s did not answer within %d ms",
					   client_name(c->daemon),
					   c->timeout_ms);
	}
	return CRETULA_ERR_NONE;
}
