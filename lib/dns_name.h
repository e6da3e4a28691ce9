/* DNS names as this project writes them: lower-case letters, digits and hyphens in
 * labels (LDH, RFC 5890; A-labels are such), no dot at the end. */
#ifndef LIB_DNS_NAME_H
#define LIB_DNS_NAME_H

#include "lib/der.h"

enum {
	DNS_LABEL_MAX = 63,
	DNS_MAX = 253,
	DNS_SHOWN = 96,
};

/* star: the first label may be a lone `*`, if another follows. ERR_INVALID with a
 * sentence that begins with what: "node 'N1': …". */
MUST enum err dns_name_check(const char *what, struct span name, bool star,
			     struct fault *f);

/* True if name ends in .domain and has something before it. */
bool dns_name_below(struct span name, struct span domain);

/* Takes the first label off; false at the end. */
bool dns_label_next(struct span *left, struct span *label);

/* Bytes of strangers for an error sentence: cut to fit, everything but visible ASCII
 * shown as `?`. */
const char *dns_shown(struct span text, char room[DNS_SHOWN]);

#endif
