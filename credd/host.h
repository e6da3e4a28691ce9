/* The module host: one loaded module and at most one credential; what the module
 * ABI (include/cretula/module.h) looks like from the other side. It makes no system
 * call of its own once loaded, so that it works inside a sandbox and beside none. */
#ifndef CREDD_HOST_H
#define CREDD_HOST_H

#include "lib/attr.h"

enum {
	HOST_REPLY_MAX = 256 << 10, /* bytes of one reply, as a list */
	HOST_SESSIONS_MAX = 16,     /* operations between two steps */
	HOST_TRIPWIRE_MIN = 12,     /* shorter values occur by chance */
};

struct host;

/* How a call ended besides its error. */
struct host_end {
	bool more;     /* OK, and waits for the next step under the same id */
	bool tripwire; /* failed: withheld, it held a confidential value */
	struct fault fault;
};

/* Loads the module at path, which runs its constructors. ERR_MODULE_FAILED if it
 * cannot be loaded or is not of this ABI. */
MUST enum err host_load(const char *path, struct host **out, struct fault *f);

/* Closes and wipes; the module itself stays loaded. */
void host_free(struct host *h);

/* Appends what the module declares: abi= name= summary= facts=yes|no
 * attribute=LIST(name= kind= help=) … operation=LIST(name= reveals= help=) …
 * request=NAME …. ERR_MODULE_FAILED if the declaration is not well-formed. */
MUST enum err host_declare(const struct host *h, struct attrs *out,
			   struct fault *f);

/* Takes the credential, once. It is opened by the first run, and need not be
 * complete to be checked. */
MUST enum err host_credential(struct host *h, struct attr_view credential,
			      struct fault *f);

/* One step of operation op under this id; now: seconds since the epoch. reply is
 * cleared, then filled. On failure reply is empty and end->fault says why. */
MUST enum err host_run(struct host *h, uint64_t id, const char *op, int64_t now,
		       struct attr_view request, struct attrs *reply,
		       struct host_end *end);

/* The facts of a request. */
MUST enum err host_facts(struct host *h, const char *op, int64_t now,
			 struct attr_view request, struct attrs *reply,
			 struct host_end *end);

/* Whether the credential is one that this module can use. */
MUST enum err host_check(struct host *h, int64_t now, struct host_end *end);

#endif
