/* What lib/chan.c (reading) and lib/chan_write.c share. */
#ifndef LIB_CHAN_PART_H
#define LIB_CHAN_PART_H

#include "lib/chan.h"

#include <sys/socket.h>

union chan_control {
	struct cmsghdr align;
	char room[CMSG_SPACE(sizeof(int) * 32) +
		  CMSG_SPACE(sizeof(struct ucred))];
};

/* Ends the channel: its owner is told, once. */
void chan_end(struct chan *c, enum err e, const char *text);

/* chan_flush; ERR_UNAVAILABLE: nobody reads there any more. */
MUST enum err chan_write(struct chan *c);

/* Forgets what was posted, and closes its descriptors. */
void chan_unpost(struct chan *c);

/* Gives back the room of an empty buffer that is over `kept` bytes: making secret memory
 * costs several system calls, so that what is small stays for the next message. */
void chan_rest(struct buf *b, size_t kept);

#endif
