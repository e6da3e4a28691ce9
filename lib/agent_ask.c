/* gate: asks certmgr for its own certificate. Holds the agent's token and, while it comes,
 * the private key, both in secret memory. */
#include "lib/agent_ask.h"

#include "lib/agent_token.h"
#include "lib/clock.h"
#include "lib/hello.h"
#include "lib/kinds.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	ASK_S = 30,      /* from its beginning to its end */
	ASK_GULP = 4096, /* read at once of what comes aside */
	RETRY_MAX = 86400,
	/* ids of our calls on one connection */
	ID_PROBE = 1,
	ID_SPAWN = 2,
	ID_CLAIM = 3,
};

/* The end of one */

static void side_close(struct agent_ask *a)
{
	if (a->side.loop)
		loop_unwatch(&a->side);
	fd_close(&a->side.fd);
	buf_clear(&a->got);
}

static void settle(struct agent_ask *a)
{
	a->state = ASK_IDLE;
	loop_disarm(&a->timer);
	if (a->hello.loop)
		loop_unwatch(&a->hello);
	fd_close(&a->hello.fd);
	chan_close(&a->chan);
	side_close(a);
}

static void fail_after(struct agent_ask *a, const struct fault *f,
		       uint64_t retry_after)
{
	struct fault copy = *f;

	settle(a);
	a->ops->failed(a, &copy, retry_after);
}

static void fail(struct agent_ask *a, enum err code, const char *text)
{
	struct fault f;

	(void)fault_set(&f, code, "%s", text);
	fail_after(a, &f, 0);
}

static void too_late(struct loop_timer *t)
{
	struct agent_ask *a =
		(struct agent_ask *)((char *)t -
				     offsetof(struct agent_ask, timer));

	fail(a, ERR_TIMEOUT, "certmgr does not answer");
}

/* What it says instead of an answer. After some of it we are nobody to it any more. */
static void refused(struct agent_ask *a, struct attr_view v)
{
	struct attr name, text, retry;
	uint64_t seconds = 0;
	struct fault f;
	enum err code;

	if (attr_only(v, "error", &name) != OK ||
	    attr_only(v, "text", &text) != OK ||
	    err_parse((const char *)name.value, name.len, &code) != OK) {
		fail(a, ERR_UNAVAILABLE, "certmgr says an error that is none");
		return;
	}
	(void)fault_set(&f, code, "%.*s", (int)MIN(text.len, 400u),
			(const char *)text.value);
	if (attr_find(v, "retry_after", &retry) &&
	    attr_u64(&retry, RETRY_MAX, &seconds) != OK)
		seconds = 0;
	if (a->state == ASK_CLAIM &&
	    (code == ERR_DENIED || code == ERR_UNAUTHENTICATED ||
	     code == ERR_EXPIRED || code == ERR_CONFLICT ||
	     code == ERR_NOT_FOUND || code == ERR_INVALID))
		a->agent[0] = 0;
	fail_after(a, &f, seconds);
}

/* Descriptors that go beside a call, and what comes back through them */

static enum err pair(struct agent_ask *a, int *theirs)
{
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		       sv))
		return ERR_LIMITED;
	side_close(a);
	a->side.fd = sv[0];
	*theirs = sv[1];
	return OK;
}

/* Takes them. */
static enum err call_fds(struct agent_ask *a, uint64_t id, struct attrs *args,
			 int *fd, size_t n)
{
	enum err e = attrs_add_u64(args, "fds", n);

	if (e == OK)
		return chan_post_fds(&a->chan, CLIENT_CALL, id,
				     attrs_view(args), fd, n);
	for (size_t i = 0; i < n; i++)
		fd_close(&fd[i]);
	return e;
}

static void watch_side(struct agent_ask *a)
{
	if (loop_watch(a->loop, &a->side) != OK)
		fail(a, ERR_LIMITED, "a socket cannot be watched");
}

static enum err claim_send(struct agent_ask *a)
{
	AUTO(attrs_wipe) struct attrs args = { 0 };
	int fd[1] = { -1 };
	enum err e;

	attrs_init(&args);
	TRY(pair(a, &fd[0]));
	if (send(a->side.fd, a->token.p, a->token.len, MSG_NOSIGNAL) !=
		    (ssize_t)a->token.len ||
	    shutdown(a->side.fd, SHUT_WR)) {
		fd_close(&fd[0]);
		return ERR_LIMITED;
	}
	e = attrs_add_str(&args, "verb", "agent.claim");
	if (e == OK)
		e = attrs_add_str(&args, "agent", a->agent);
	if (e == OK)
		return call_fds(a, ID_CLAIM, &args, fd, 1);
	fd_close(&fd[0]);
	return e;
}

static void claim(struct agent_ask *a)
{
	a->state = ASK_CLAIM;
	if (claim_send(a) != OK)
		fail(a, ERR_LIMITED, "the claim cannot be sent");
}

static enum err spawn_send(struct agent_ask *a)
{
	AUTO(attrs_wipe) struct attrs args = { 0 };
	int fd[2] = { -1, -1 };
	enum err e;

	attrs_init(&args);
	TRY(pair(a, &fd[0]));
	fd[1] = (int)syscall(SYS_pidfd_open, getpid(), 0);
	e = fd[1] < 0 ? ERR_LIMITED : OK;
	if (e == OK)
		e = attrs_add_str(&args, "verb", "agent.spawn");
	if (e == OK)
		e = attrs_add_str(&args, "type", a->type);
	if (e == OK)
		e = attrs_add_str(&args, "name", a->name);
	if (e == OK)
		return call_fds(a, ID_SPAWN, &args, fd, 2);
	fd_close(&fd[0]);
	fd_close(&fd[1]);
	return e;
}

static void spawn(struct agent_ask *a)
{
	a->state = ASK_SPAWN;
	if (spawn_send(a) != OK)
		fail(a, ERR_LIMITED, "the call for an agent cannot be sent");
}

/* All of the token, or of the payload, has come. */

static void token_came(struct agent_ask *a)
{
	AUTO(agent_token_wipe) struct agent_token t = { .secret = NULL };
	struct fault f;

	if (agent_token_parse((const char *)a->got.p, a->got.len, &t, &f) !=
		    OK ||
	    strcmp(t.agent, a->agent) != 0) {
		a->agent[0] = 0;
		fail(a, ERR_UNAVAILABLE, "certmgr gave no token of this agent");
		return;
	}
	buf_clear(&a->token);
	ENSURE(agent_token_format(&t, &a->token) == OK);
	claim(a);
}

static void payload_came(struct agent_ask *a)
{
	AUTO(agent_bundle_wipe) struct agent_bundle b = { .certs = 0 };
	struct fault f;

	if (agent_bundle_parse((const char *)a->got.p, a->got.len, a->agent, &b,
			       &f) != OK) {
		fail_after(a, &f, 0);
		return;
	}
	settle(a);
	a->ops->done(a, &b);
}

static void on_side(struct loop_fd *w, uint32_t events)
{
	struct agent_ask *a =
		(struct agent_ask *)((char *)w -
				     offsetof(struct agent_ask, side));
	uint8_t *at;
	ssize_t n;

	(void)events;
	if (buf_grow(&a->got, ASK_GULP, &at) != OK) {
		fail(a, ERR_TOO_LARGE, "certmgr sends too much");
		return;
	}
	n = recv(w->fd, at, ASK_GULP, MSG_DONTWAIT);
	a->got.len -= ASK_GULP - (n > 0 ? (size_t)n : 0);
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	loop_unwatch(w);
	if (n < 0)
		fail(a, ERR_UNAVAILABLE, "what certmgr sends does not come");
	else if (a->state == ASK_TOKEN)
		token_came(a);
	else
		payload_came(a);
}

/* Its answers */

static void spawned(struct agent_ask *a, struct attr_view v)
{
	struct attr agent;
	struct fault f;

	if (attr_only(v, "agent", &agent) != OK || agent.len != AGENT_ID_LEN ||
	    agent_id_check(span_of(agent.value, agent.len), &f) != OK) {
		fail(a, ERR_UNAVAILABLE, "certmgr answers without an agent");
		return;
	}
	memcpy(a->agent, agent.value, AGENT_ID_LEN);
	a->agent[AGENT_ID_LEN] = 0;
	a->state = ASK_TOKEN;
	watch_side(a);
}

static void on_msg(struct chan *c, const struct msg *m)
{
	struct agent_ask *a =
		(struct agent_ask *)((char *)c -
				     offsetof(struct agent_ask, chan));

	/* an error of the connection, or to our call that is none */
	if (m->kind == CLIENT_ERROR && m->id == ID_PROBE &&
	    a->state == ASK_PROBE) {
		if (a->agent[0])
			claim(a);
		else
			spawn(a);
	} else if (m->kind == CLIENT_ERROR) {
		refused(a, m->attrs);
	} else if (m->kind == CLIENT_REPLY && m->id == ID_SPAWN &&
		   a->state == ASK_SPAWN) {
		spawned(a, m->attrs);
	} else if (m->kind == CLIENT_REPLY && m->id == ID_CLAIM &&
		   a->state == ASK_CLAIM) {
		a->state = ASK_PAYLOAD;
		watch_side(a);
	} else {
		fail(a, ERR_UNAVAILABLE,
		     "certmgr answers what nobody has asked");
	}
}

static void on_end(struct chan *c, const struct fault *why)
{
	(void)why;
	fail((struct agent_ask *)((char *)c - offsetof(struct agent_ask, chan)),
	     ERR_UNAVAILABLE, "certmgr has closed the connection");
}

/* The hello */

static void greeted(struct agent_ask *a)
{
	static const struct chan_ops ops = { on_msg, on_end, NULL };
	uint8_t out[HELLO_CLIENT];
	int fd = a->hello.fd;

	memcpy(out, a->head, HELLO_NONCE);
	out[HELLO_NONCE] = 0;
	out[HELLO_NONCE + 1] = HELLO_VERSION;
	loop_unwatch(&a->hello);
	if (send(fd, out, sizeof out, MSG_NOSIGNAL) != (ssize_t)sizeof out) {
		fail(a, ERR_UNAVAILABLE,
		     "certmgr has closed the connection during the hello");
		return;
	}
	a->hello.fd = -1;
	chan_open(&a->chan, a->loop, fd, false, &ops);
	a->state = ASK_PROBE;
	/* of no verb: that it is refused says that we are taken; before, the kernel
	 * lets no descriptor through */
	chan_tell(&a->chan, CLIENT_CALL, ID_PROBE, (struct attr_view){ 0 });
}

/* An error stands in the place of the hello. */
static void turned_away(struct agent_ask *a)
{
	struct msg m;
	size_t used;
	enum err e = msg_get(a->head, a->head_len, &m, &used, NULL);

	if (e == OK)
		refused(a, m.attrs);
	else if (e != ERR_PENDING || a->head_len == sizeof a->head)
		fail(a, ERR_UNSUPPORTED, "it does not speak this protocol");
}

static void on_hello(struct loop_fd *w, uint32_t events)
{
	struct agent_ask *a =
		(struct agent_ask *)((char *)w -
				     offsetof(struct agent_ask, hello));
	ssize_t n = recv(w->fd, a->head + a->head_len,
			 sizeof a->head - a->head_len, MSG_DONTWAIT);
	struct rd r;
	uint16_t low, high;

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		fail(a, ERR_UNAVAILABLE,
		     "certmgr has closed the connection before the hello");
		return;
	}
	a->head_len += (size_t)n;
	if (a->head_len < HELLO_SERVER)
		return;
	r = rd_from(a->head + HELLO_NONCE, HELLO_SERVER - HELLO_NONCE);
	ENSURE(rd_u16(&r, &low) == OK && rd_u16(&r, &high) == OK);
	if (low > high)
		turned_away(a);
	else if (low > HELLO_VERSION || high < HELLO_VERSION ||
		 a->head_len > HELLO_SERVER)
		fail(a, ERR_UNSUPPORTED,
		     "certmgr speaks another version of the protocol");
	else
		greeted(a);
}

static enum err connect_to(int dir, int *out, struct fault *f)
{
	static const struct sockaddr_un at = { .sun_family = AF_UNIX,
					       .sun_path = "api.sock" };
	AUTO(fd_close)
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || fchdir(dir) ||
	    connect(fd, (const struct sockaddr *)&at, sizeof at))
		return fault_set(f, ERR_UNAVAILABLE,
				 "certmgr is not reached at its api.sock: %s",
				 strerror(errno));
	*out = fd;
	fd = -1;
	return OK;
}

void agent_ask_start(struct agent_ask *a, int dir)
{
	struct fault f;
	enum err e;

	ENSURE(a->state == ASK_IDLE);
	e = connect_to(dir, &a->hello.fd, &f);
	fd_close(&dir);
	if (e == OK && loop_watch(a->loop, &a->hello) != OK)
		e = fault_set(&f, ERR_LIMITED, "a socket cannot be watched");
	if (e != OK) {
		fail_after(a, &f, 0);
		return;
	}
	a->head_len = 0;
	a->state = ASK_HELLO;
	loop_arm(a->loop, &a->timer, loop_now(a->loop) + ASK_S * CLOCK_SECOND);
}

void agent_ask_init(struct agent_ask *a, struct loop *l,
		    const struct agent_ask_ops *ops, const char *type,
		    const char *name)
{
	*a = (struct agent_ask){
		.loop = l, .ops = ops, .type = type, .name = name
	};
	a->timer.on = too_late;
	a->hello = (struct loop_fd){ .fd = -1,
				     .events = EPOLLIN | EPOLLRDHUP,
				     .on = on_hello };
	a->side = (struct loop_fd){ .fd = -1,
				    .events = EPOLLIN | EPOLLRDHUP,
				    .on = on_side };
	buf_init_secret(&a->token, AGENT_TOKEN_TEXT + 1);
	buf_init_secret(&a->got, AGENT_BUNDLE_MAX + ASK_GULP);
}
