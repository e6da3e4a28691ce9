/* A channel: messages over one connected stream socket, in a loop. Reads in big
 * gulps, hands over one message at a time, collects what is sent during a turn and
 * writes it in one batch at its end. Descriptors travel beside messages. */
#ifndef LIB_CHAN_H
#define LIB_CHAN_H

#include "lib/loop.h"
#include "lib/msg.h"

enum {
	CHAN_FDS_MAX = 8,        /* descriptors with one message */
	CHAN_OUT_MAX = 64 << 20, /* bytes waiting to be written */
	CHAN_GULP =
		32 << 10, /* bytes read at once: small enough that a pipeline of
				   processes works at the same time */
	CHAN_OUT_KEPT = 128 << 10, /* room an empty buffer keeps */
};

struct chan;

struct chan_ops {
	/* One message. It and its attributes are valid only during the call. The
	 * channel may be closed inside. */
	void (*on_msg)(struct chan *c, const struct msg *m);
	/* The peer is gone or broke the framing (why says which); called once;
	 * the channel is still to be closed by its owner. */
	void (*on_end)(struct chan *c, const struct fault *why);
	/* All that was waiting to be written has been, after the socket had been
	 * full. NULL: nobody waits for that. */
	void (*on_drain)(struct chan *c);
};

struct chan_fds {
	int fd[64];
	size_t n;
	size_t came; /* with the last read */
	bool lost;   /* not all could be received */
};

/* How many descriptors channels may hold that were sent by somebody who is not believed
 * to mean well, and how many one of his messages may have. Shared by such channels. */
struct chan_budget {
	size_t each;    /* with one message */
	size_t all;     /* received and not taken, in all of them */
	size_t held;    /* so many are */
	bool strangers; /* they are whatever somebody chose to send */
};

struct chan_post;

struct chan {
	struct loop_fd watch;
	struct loop_work flush;
	const struct chan_ops *ops;
	struct loop *loop;
	struct buf in;
	struct buf out;
	struct chan_fds fds;        /* received, not yet taken */
	struct chan_budget *budget; /* NULL: none */
	struct chan_post *posts;    /* queued descriptors, by chan_post_fds */
	bool secret;                /* buffers are secret memory */
	bool ended;                 /* on_end has been or is being called */
	bool paused;                /* not reading (backpressure) */
	bool full;                  /* the socket was; on_drain is owed, whoever
				writes the rest */
	bool creds;                 /* check SCM_CREDENTIALS of each read */
	int32_t creds_pid;          /* … against this pid */
	int creds_pidfd;            /* … of this process, owned */
	bool *gone;                 /* set when closed while a handler runs */
};

/* Takes fd (made nonblocking). secret: buffers in secret memory, for channels
 * that carry confidential values. */
void chan_open(struct chan *c, struct loop *l, int fd, bool secret,
	       const struct chan_ops *ops);

/* Requires of every byte that the kernel attaches this pid to it (SO_PASSCRED
 * must be set on the socket), and that the process still lives after it was read:
 * as long as it does nobody else has its pid. Anything else ends the channel.
 * Takes pidfd. */
void chan_expect_process(struct chan *c, int32_t pid, int pidfd);

/* Closes the socket, frees and wipes. Safe inside a handler, and twice. */
void chan_close(struct chan *c);
bool chan_is_open(const struct chan *c);

/* Queues a message; written at the end of the turn. ERR_TOO_LARGE for a message
 * over MSG_MAX; ERR_LIMITED when CHAN_OUT_MAX would be passed; ERR_UNAVAILABLE
 * when the channel is closed. */
MUST enum err chan_send(struct chan *c, uint32_t kind, uint64_t id,
			struct attr_view attrs);

/* chan_send to a process of ours that may be gone: then there is nobody to tell. */
void chan_tell(struct chan *c, uint32_t kind, uint64_t id,
	       struct attr_view attrs);

/* Sends now (after all that is queued), with descriptors, which stay the
 * caller's. Blocks if the socket is full: for our own processes only. */
MUST enum err chan_send_fds(struct chan *c, uint32_t kind, uint64_t id,
			    struct attr_view attrs, const int *fd, size_t n);

/* The same without blocking: what the socket does not take now is queued, descriptors and
 * all. Takes them, also when it fails. ERR_TOO_LARGE, ERR_LIMITED, ERR_UNAVAILABLE as
 * chan_send. */
MUST enum err chan_post_fds(struct chan *c, uint32_t kind, uint64_t id,
			    struct attr_view attrs, int *fd, size_t n);

/* How many descriptors are queued: whoever posts stops at some number, until on_drain. */
size_t chan_posted(const struct chan *c);

/* From now on descriptors come only beside messages that are known to have them (their
 * handler takes them with chan_take_fds), within b, which stays the caller's. Others, too
 * many, or too many at once end the channel with ERR_INVALID or ERR_LIMITED. Without this,
 * one that cannot be received ends the channel. */
void chan_limit_fds(struct chan *c, struct chan_budget *b);

/* Closes a descriptor that came; one of strangers without waiting for what is still to
 * be sent, as SO_LINGER may want. */
void chan_drop_fd(const struct chan_budget *b, int fd);

/* The next descriptor that came, now the caller's; -1 if none. */
int chan_take_fd(struct chan *c);

/* The n descriptors of the message being handled. ERR_INVALID: not so many came;
 * ERR_LIMITED: they did, but we have no room for them. They are all closed then. */
MUST enum err chan_take_fds(struct chan *c, int *fd, size_t n);

/* Last words: writes one message at once, as far as the socket takes it, also when
 * the channel has ended. For the error that says why it is being closed. */
void chan_last(struct chan *c, uint32_t kind, uint64_t id,
	       struct attr_view attrs);

/* Writes what it can at once. */
void chan_flush(struct chan *c);

/* Stop and go on reading. */
void chan_pause(struct chan *c, bool paused);

/* Blocking use, without a loop (startup, one-shot roles, tools): send; receive one
 * message into in (cleared first), m borrows from it. deadline: CLOCK_BOOTTIME ns,
 * UINT64_MAX: none. ERR_TIMEOUT, ERR_UNAVAILABLE at end of stream. */
MUST enum err chan_put1(int fd, uint32_t kind, uint64_t id,
			struct attr_view attrs);
MUST enum err chan_get1(int fd, struct buf *in, struct msg *m, int *got_fd,
			uint64_t deadline, struct fault *f);

#endif
