/* Keeper: the kernel's helper. It comes over a socket in a folder that only root gets
 * into, was started by the kernel on the host's side, and says who asks: it looked at
 * him while he was frozen. One claim a connection; its bytes are a message of ours, what
 * a stranger chose in it is a token and an id. No process stands between, because who
 * stood there could say who asks.
 *	helper -> keeper	UC_CLAIM, UC_DONE	keeper -> helper	UC_KEY, UC_NO */
#include "certmgr/keeper.h"

#include "lib/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	ACCEPTS = 32
};

/* From connecting to the end of it. */
#define UPCALL_NS ((UPCALL_MS + 4000) * CLOCK_MS)

struct upcall {
	struct chan chan; /* first member */
	struct loop_timer timer;
	uint64_t id;                      /* of the claim */
	bool asked;                       /* UC_CLAIM has come */
	char of[AGENT_ID_LEN + 1];        /* whose key it asked for, or "" */
	char agent[AGENT_ID_LEN + 1];     /* who was given a key, or "" */
	char serial[2 * SERIAL_SIZE + 1]; /* which */
	struct procinfo who;
};

static void upcall_free(struct upcall *u)
{
	claim_upcall_gone(u, u->of);
	loop_disarm(&u->timer);
	chan_close(&u->chan);
	keeper.upcalls--;
	free(u);
}

static void too_late(struct loop_timer *t)
{
	upcall_free((struct upcall *)(void *)((char *)t -
					      offsetof(struct upcall, timer)));
}

static int errno_of(enum err e)
{
	static const int codes[E__MAX] = {
		[ERR_DENIED] = EACCES,
		[ERR_EXPIRED] = EKEYEXPIRED,
		[ERR_CONFLICT] = EKEYREVOKED,
		[ERR_INVALID] = EKEYREJECTED,
		[ERR_UNAUTHENTICATED] = EKEYREJECTED,
		[ERR_UNSUPPORTED] = EKEYREJECTED, /* a later token */
	};

	return codes[e] ? codes[e] : ENOKEY;
}

/* A refusal stands for a second, so that nobody hammers; not where trying again is
 * right. */
void upcall_no(struct upcall *u, enum err e, const char *text)
{
	struct attrs v;

	attrs_init(&v);
	ENSURE(attrs_add_u64(&v, "errno", (uint64_t)errno_of(e)) == OK);
	ENSURE(attrs_add_u64(&v, "seconds", 1) == OK);
	ENSURE(attrs_add_str(&v, "text", text) == OK);
	chan_tell(&u->chan, UC_NO, u->id, attrs_view(&v));
	attrs_wipe(&v);
}

void upcall_key(struct upcall *u, const char *agent, const struct procinfo *who,
		const struct buf *payload, uint64_t seconds)
{
	const struct agent *a = agent_find(agent);
	struct attrs v;

	memcpy(u->agent, agent, sizeof u->agent);
	memcpy(u->serial, a->now.serial, sizeof u->serial);
	u->who = *who;
	attrs_init_secret(&v);
	ENSURE(attrs_add(&v, "payload", ATTR_CONFIDENTIAL, payload->p,
			 payload->len) == OK);
	ENSURE(attrs_add_u64(&v, "seconds", seconds) == OK);
	chan_tell(&u->chan, UC_KEY, u->id, attrs_view(&v));
	attrs_wipe(&v);
}

/* It has its key: ours goes. A helper that was killed before leaves it where it is, and
 * the next claim gets the same. */
static void done(struct upcall *u, const struct msg *m)
{
	struct agent *a = agent_find(u->agent);
	uint64_t code = 0;
	struct attrs v;
	struct attr at;

	if (!a || strcmp(a->now.serial, u->serial) != 0)
		return;
	if (attr_find(m->attrs, "errno", &at) &&
	    attr_u64(&at, 4095, &code) == OK && code) {
		attrs_init(&v);
		ENSURE(attrs_add_str(&v, "error", strerror((int)code)) == OK);
		agent_record(a, "key_not_made", attrs_view(&v));
		attrs_wipe(&v);
		log_text(LOG_WARN, "key_not_made",
			 "%s: the kernel did not take the key: %s%s", a->id,
			 strerror((int)code),
			 code == EDQUOT ? " (the user's key quota is full: see "
					  "kernel.keys.maxbytes)"
					: "");
		return;
	}
	claim_delivered(a, &u->who);
}

static enum err claim(struct upcall *u, struct attr_view v, struct fault *f)
{
	struct procinfo who;
	struct attr token;

	TRY(call_need(v, "agent", u->of, sizeof u->of, f));
	TRY(procinfo_parse(v, &who, f));
	if (attr_only(v, "token", &token) != OK)
		return fault_set(f, ERR_INVALID, "there is no token");
	claim_upcall(u, (const char *)token.value, token.len, u->of, &who);
	return OK;
}

static void from_helper(struct chan *ch, const struct msg *m)
{
	struct upcall *u = (struct upcall *)ch;
	struct fault f;

	if (m->kind == UC_CLAIM && !u->asked) {
		u->asked = true;
		u->id = m->id;
		if (claim(u, m->attrs, &f) == OK)
			return;
		log_text(LOG_ERR, "upcall", "%s", f.text);
	} else if (m->kind == UC_DONE && u->agent[0]) {
		done(u, m);
	}
	upcall_free(u);
}

static void helper_end(struct chan *ch, const struct fault *why)
{
	(void)why;
	upcall_free((struct upcall *)ch);
}

static bool is_root(int sock)
{
	struct ucred c;
	socklen_t n = sizeof c;

	return !getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &c, &n) && c.uid == 0;
}

static void upcall_new(int sock)
{
	static const struct chan_ops ops = { from_helper, helper_end, NULL };
	struct upcall *u;

	if (keeper.upcalls == KEEPER_UPCALLS || !is_root(sock)) {
		close(sock);
		return;
	}
	u = xcalloc(1, sizeof *u);
	chan_open(&u->chan, keeper.loop, sock, true, &ops);
	u->timer.on = too_late;
	loop_arm(keeper.loop, &u->timer, loop_now(keeper.loop) + UPCALL_NS);
	keeper.upcalls++;
}

static void accept_some(struct loop_fd *w, uint32_t events)
{
	(void)events;
	for (int i = 0; i < ACCEPTS; i++) {
		int sock = accept4(w->fd, NULL, NULL,
				   SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (sock < 0)
			return;
		upcall_new(sock);
	}
}

void upcall_init(void)
{
	if (keeper.upcall_fd < 0)
		return;
	keeper.upcall_watch = (struct loop_fd){ .fd = keeper.upcall_fd,
						.events = EPOLLIN,
						.on = accept_some };
	ENSURE(loop_watch(keeper.loop, &keeper.upcall_watch) == OK);
}
