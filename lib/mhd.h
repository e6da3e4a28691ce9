/* A libmicrohttpd daemon in our event loop: no threads, its epoll descriptor watched,
 * its timeouts by a timer. For every gate. */
#ifndef LIB_MHD_H
#define LIB_MHD_H

#include "lib/loop.h"

#include <microhttpd.h>

struct mhd {
	struct MHD_Daemon *daemon;
	struct loop *loop; /* NULL until it runs */
	struct loop_fd watch;
	struct loop_timer timer;
	struct loop_work work;
	bool inside;                  /* MHD_run is on the stack */
	void (*after)(struct mhd *m); /* each MHD_run, outside of it; or NULL */
};

/* Takes a daemon that was started with MHD_USE_EPOLL and no thread flag. It runs
 * from mhd_watch on, so that it may be started before confinement. */
void mhd_init(struct mhd *m, struct MHD_Daemon *daemon);
void mhd_watch(struct mhd *m, struct loop *l);

/* A connection was resumed: let it go on at the end of this turn. Safe inside a
 * handler. */
void mhd_wake(struct mhd *m);

/* Lets the daemon do now all that it can do without waiting. Not inside a handler. */
void mhd_run(struct mhd *m);

/* Ends the daemon with all its connections; none may be suspended. */
void mhd_close(struct mhd *m);

/* A response of those bytes (copied), with that Content-Type; aborts when there is no
 * memory. mhd_header: a header field more. */
struct MHD_Response *mhd_response(const void *p, size_t len, const char *type);
void mhd_header(struct MHD_Response *r, const char *name, const char *value);

/* Queues r and lets it go. */
enum MHD_Result mhd_answer(struct MHD_Connection *c, unsigned status,
			   struct MHD_Response *r);

/* The text of a request header; NULL if it is not there. */
const char *mhd_request_header(struct MHD_Connection *c, const char *name);

/* A MHD_OPTION_UNESCAPE_CALLBACK that leaves the target as it was sent. */
size_t mhd_raw_target(void *cls, struct MHD_Connection *c, char *text);

#endif
