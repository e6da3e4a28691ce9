/* The cage: what the zygote puts around each worker before the first line of a
 * module is loaded, and around itself. */
#ifndef CREDD_CAGE_H
#define CREDD_CAGE_H

#include "lib/confine.h"

/* How a worker is kept apart; from best to least. */
enum cage_kind {
	CAGE_MAPPED, /* namespaces, and a uid other than the zygote's */
	CAGE_SINGLE, /* namespaces; the one id that there is */
	CAGE_PLAIN,  /* no namespaces: Landlock, limits, filter, no dumps */
};

enum {
	CAGE_CHAN = 3,   /* a worker's descriptors, when it is in its cage */
	CAGE_MODULE = 4, /* … closed before a module is loaded by name */
	CAGE_ZYGOTE = 5, /* … closed when it is known to live */
	CAGE_MEMORY = 64 << 20,
	CAGE_MEMORY_MAX = 1 << 30,
	CAGE_MODULE_MAX = 16 << 20,
};

struct cage {
	enum cage_kind kind;
	uid_t worker_uid;  /* CAGE_MAPPED: as seen in the zygote's namespace */
	uint64_t baseline; /* address space of the zygote, bytes */
	int null;          /* /dev/null */
	int zygote;        /* a pidfd of the zygote itself */
	bool landlock;
	struct confine_filter *load;  /* while the module is loaded */
	struct confine_filter *final; /* from then on */
};

/* Before the zygote confines itself: a user namespace of its own unless the
 * supervisor made one (mapped), an empty root, warm libraries, filters. What is
 * weaker is reported. ERR_UNSUPPORTED if there is nothing to keep a worker in. */
MUST enum err cage_prepare(struct cage *c, bool mapped, uid_t worker_uid,
			   struct confine_report *r, struct fault *f);

/* No namespaces after all: they were there, but a worker could not use them. */
MUST enum err cage_weaken(struct cage *c, struct confine_report *r,
			  const char *why, struct fault *f);

/* What clone takes for a worker. */
unsigned long cage_clone_flags(const struct cage *c);

/* In the new process: chan and module become CAGE_CHAN and CAGE_MODULE, everything
 * else is given up. memory: bytes beyond the baseline. *path is where the
 * module is then found. */
MUST enum err cage_enter(struct cage *c, int chan, int module, uint64_t memory,
			 const char **path, struct fault *f);

#endif
