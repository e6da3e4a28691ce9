/* Distinguished names (RFC 5280 4.1.2.4) of the one shape that this project uses. */
#ifndef LIB_DN_H
#define LIB_DN_H

#include "lib/der.h"

enum {
	DN_PART_MAX = 64, /* bytes of O, OU, UID, CN */
	DN_DOMAIN_MAX = 253,
	DN_LABEL_MAX = 63,
};

/* A distinguished name as section 8 of the design has it: DC (one per label of
 * domain, the last label first), O, OU, UID, CN, in this order; empty parts are
 * left out. UTF8String but DC, which is IA5String. */
struct dn {
	struct span domain, o, ou, uid, cn;
};
MUST enum err dn_put(struct buf *b, const struct dn *dn);
/* domain is written to room, the rest borrowed from r. */
MUST enum err dn_get(struct rd *r, char room[DN_DOMAIN_MAX + 1], struct dn *dn);

#endif
