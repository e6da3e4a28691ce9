/* What the files of the dialer share: a name being resolved (lib/dialer_name.c), and a
 * connection being made (lib/dialer_dial.c). */
#ifndef LIB_DIALER_H
#define LIB_DIALER_H

#include "lib/address.h"
#include "lib/attr.h"
#include "lib/loop.h"

enum {
	DIAL_HOST = 254, /* bytes of a host's name or address, with NUL */
	DIAL_ADDRESSES =
		8, /* of a host that are tried; the others are left out */
	NAME_ADDRESSES = 64, /* of an answer that are looked at */
	NAME_TEXTS = 16,
	NAME_TEXT_MAX = 512, /* bytes of one */
};

/* One dial takes at most this, names and all. */
#define DIAL_TIME (5 * CLOCK_SECOND)

/* Names: through c-ares, which asks /etc/hosts and the servers in /etc/resolv.conf
 * and never blocks. */
struct name;

struct name_answer {
	struct address address[NAME_ADDRESSES];
	size_t n;          /* 0, and no text: why says the reason */
	struct attrs text; /* text=BYTES …: of TXT records */
	struct fault why;
};

/* Asks; on_done(arg) is called once, later, in a turn of l, and may free it. The
 * answer lives as long as the name. */
struct name *name_new(struct loop *l, const char *host,
		      void (*on_done)(void *arg, const struct name_answer *a),
		      void *arg);
/* The same for its TXT records. */
struct name *name_new_txt(struct loop *l, const char *host,
			  void (*on_done)(void *arg,
					  const struct name_answer *a),
			  void *arg);
void name_free(struct name *n);

/* One connection. */
struct dial;

/* What may be connected to besides other hosts. */
enum dial_also {
	DIAL_LOOPBACK = 1,
	DIAL_LINK_LOCAL = 2, /* and where else clouds answer machines */
};

struct dial_result {
	int fd;                 /* the callee's to close; -1: none */
	struct address address; /* if there is one */
	struct fault why;       /* if there is none */
};

/* Resolves host, and connects to the allowed ones of its addresses in turn, until one
 * takes it; also: bits of enum dial_also. on_done(arg) is called once, in a turn of l, and
 * must free the dial. */
struct dial *dial_new(struct loop *l, const char *host, uint16_t port,
		      unsigned also,
		      void (*on_done)(void *arg, const struct dial_result *r),
		      void *arg);
void dial_free(struct dial *d);

/* Names whose TXT records an asker wants (lib/dialer_txt.c): answers DIAL_TXT. */
struct msg;
struct chan;
void txt_ask(struct loop *l, struct chan *to, const struct msg *m,
	     const char *name);
/* The asker is gone. */
void txt_drop(const struct chan *to);

#endif
