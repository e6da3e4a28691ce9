/* Whom the verifier did not let in (DC_REFUSED): to the log, and on record. Strangers
 * cause these, so there is a bound: what is over it is counted, and said with the next. */
#ifndef LIB_REFUSALS_H
#define LIB_REFUSALS_H

#include "lib/audit_link.h"
#include "lib/msg.h"

enum {
	REFUSALS_BURST = 60,  /* at once; then one a second */
	REFUSALS_VALUE = 300, /* bytes of what is kept of a value */
};

struct refusals { /* begins as { 0 } */
	uint64_t
		since; /* boot ns: as many seconds as there may be more of them */
	uint64_t held; /* that were not said */
	uint64_t total;
};

/* May one more be said at that time (boot ns)? Counts it. */
bool refusals_may(struct refusals *r, uint64_t boot);

/* event=refused and what m says of the known names; held=N of those before. */
MUST enum err refusals_format(const struct refusals *r, struct attr_view m,
			      struct attrs *what);

/* event=unchecked and the same of who was let in all the same (DC_UNCHECKED). */
MUST enum err refusals_format_unchecked(struct attr_view m, struct attrs *what);

/* All of it: a line of the log, and a record if the log (may be closed) takes one. Of
 * DC_UNCHECKED the record only, without a bound: only who has a certificate of the CA's
 * causes these, and the verifier has its own line. */
void refusals_take(struct refusals *r, struct audit_link *log, uint64_t boot,
		   const struct msg *m);

#endif
