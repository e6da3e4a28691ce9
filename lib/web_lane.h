/* A lane: one libcurl handle with one connection, driven by our loop. Inside of lib/web.c;
 * web_lane.c is where libcurl is. */
#ifndef LIB_WEB_LANE_H
#define LIB_WEB_LANE_H

#include "lib/web.h"

#include <curl/curl.h>

struct lane {
	/* web.c's */
	struct web_ask *ask; /* NULL: it is free */
	struct loop_timer limit;
	uint64_t dial; /* being made for it; 0: none */
	unsigned dials;
	/* web_lane.c's */
	struct loop *loop;
	CURLM *multi;
	CURL *easy;
	struct loop_fd watch; /* its connection, while libcurl waits for it */
	struct loop_timer timer;
	struct loop_work check;
	int fd;      /* a connection that libcurl has not taken yet; -1 */
	bool wanted; /* it wanted one, and there was none */
	bool running;
	bool over;           /* the answer is larger than any can be */
	unsigned generation; /* of the certificate its connection shows */
	unsigned made;       /* … when the latest connection was begun */
	unsigned root;       /* which root it was told of */
	struct buf body;
	size_t head;
	char why[CURL_ERROR_SIZE];
	void (*on_done)(struct lane *l, CURLcode rc);
};

/* Once, before confinement and before any lane. */
void lanes_warm(const struct web_setup *s);
/* Connections that are kept now are not used again. */
void lanes_forget(void);
/* … and the root is to be asked for again. */
void lanes_root_changed(void);
/* Of its request, for sentences: "the CA", … */
const char *lane_whom(const struct lane *l);
void lane_open(struct lane *l, struct loop *loop,
	       void (*on_done)(struct lane *l, CURLcode rc));

/* Begins l->ask; on_done later, in a turn of the loop. A connection is kept from the
 * request before, or is l->fd; else it ends at once with `wanted`. */
MUST enum err lane_begin(struct lane *l);
/* What came, while the lane is not stopped: borrowed from it. */
void lane_answer(struct lane *l, CURLcode rc, struct web_answer *a);
/* Ends the present transfer, its connection with it unless it is done. */
void lane_stop(struct lane *l);
/* No request: what it holds for one is let go. */
void lane_rest(struct lane *l);

#endif
