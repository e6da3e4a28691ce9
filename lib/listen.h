/* Listening TCP sockets, which a supervisor makes and another role reads from; and the
 * name of this machine. */
#ifndef LIB_LISTEN_H
#define LIB_LISTEN_H

#include "lib/err.h"

#include <netinet/in.h>

enum {
	LISTEN_AT = INET6_ADDRSTRLEN + 8 /* bytes of "[ADDRESS]:PORT" */
};

/* A listening TCP socket at "ADDRESS:PORT" or "[ADDRESS]:PORT" (numeric; port 0: any
 * that is free), and where it is, in the same form. */
MUST enum err listen_tcp(const char *where, int *fd, char at[LISTEN_AT],
			 struct fault *f);

/* This machine's full name as its own files have it, no network asked; malloc'd. */
char *listen_host_name(void);

#endif
