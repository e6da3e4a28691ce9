/* A process that is an agent of certmgr's and asks over its socket, in our loop and without
 * blocking: a process that has a loop and no time. What libcretula does (cretula/agent.h),
 * it does for itself: it names itself by its pidfd, keeps its token, and claims with it.
 *	agent.spawn type= name= + a socket, our pidfd	-> the token, once
 *	agent.claim agent= + a socket with the token	-> key, certificate, chain */
#ifndef LIB_AGENT_ASK_H
#define LIB_AGENT_ASK_H

#include "lib/agent_bundle.h"
#include "lib/chan.h"

enum {
	AGENT_ASK_HEAD =
		1024, /* bytes of a hello, or of an error in its place */
};

enum agent_ask_state {
	ASK_IDLE,
	ASK_HELLO, /* connected */
	ASK_PROBE, /* has certmgr taken us? descriptors may travel then */
	ASK_SPAWN, /* who are we to be? */
	ASK_TOKEN, /* … and its token */
	ASK_CLAIM,
	ASK_PAYLOAD,
};

struct agent_ask;

struct agent_ask_ops {
	/* What was claimed; it is wiped afterwards. */
	void (*done)(struct agent_ask *a, const struct agent_bundle *b);
	/* Nothing was. retry_after: s, at least; 0: not said. */
	void (*failed)(struct agent_ask *a, const struct fault *f,
		       uint64_t retry_after);
};

struct agent_ask {
	struct loop *loop;
	const struct agent_ask_ops *ops;
	const char *type, *name;      /* borrowed: its type and DNS name */
	char agent[AGENT_ID_LEN + 1]; /* who it is; "": nobody yet */
	struct buf token;             /* of that agent; secret memory */
	enum agent_ask_state state;
	struct loop_timer timer; /* end of all patience */
	struct loop_fd hello;    /* the connection, until the hello is over */
	uint8_t head[AGENT_ASK_HEAD];
	size_t head_len;
	struct chan chan;
	struct loop_fd side; /* our end of the socket that went there */
	struct buf got;      /* what came through it; secret memory */
};

void agent_ask_init(struct agent_ask *a, struct loop *l,
		    const struct agent_ask_ops *ops, const char *type,
		    const char *name);
/* Asks certmgr in the folder dir, which is taken and becomes this process's current
 * folder: connect(2) knows no other way to a name that is relative to a descriptor. Says
 * done or failed, once, later or at once. Not while another is under way. */
void agent_ask_start(struct agent_ask *a, int dir);

#endif
