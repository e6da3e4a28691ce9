/* The extensions of a certificate: inside of lib/cert.c. */
#ifndef LIB_CERT_EXT_H
#define LIB_CERT_EXT_H

#include "lib/cert.h"

/* The extensions c has, as SEQUENCE OF Extension in their fixed order. */
MUST enum err cert_put_extensions(struct buf *b, const struct cert *c);

/* The same list, read to its end into c. The fault names the extension. */
MUST enum err cert_get_extensions(struct rd *r, struct cert *c,
				  struct fault *f);

/* lib/cert_names.c, for the table: subjectAltName, nameConstraints,
 * cRLDistributionPoints, authorityInfoAccess. there: c has something to say in it;
 * put and get: the value inside the OCTET STRING. */
bool cert_san_there(const struct cert *c);
MUST enum err cert_san_put(struct buf *b, const struct cert *c);
MUST enum err cert_san_get(struct rd *r, struct cert *c);
bool cert_limits_there(const struct cert *c);
MUST enum err cert_limits_put(struct buf *b, const struct cert *c);
MUST enum err cert_limits_get(struct rd *r, struct cert *c);
bool cert_crl_there(const struct cert *c);
MUST enum err cert_crl_put(struct buf *b, const struct cert *c);
MUST enum err cert_crl_get(struct rd *r, struct cert *c);
bool cert_info_there(const struct cert *c);
MUST enum err cert_info_put(struct buf *b, const struct cert *c);
MUST enum err cert_info_get(struct rd *r, struct cert *c);

#endif
