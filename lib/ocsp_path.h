/* The OCSP request in the path of a GET (RFC 6960 appendix A.1), as clients send it. */
#ifndef LIB_OCSP_PATH_H
#define LIB_OCSP_PATH_H

#include "lib/buf.h"

/* raw: what follows /ocsp/ in the request target, not yet decoded and with no
 * slashes merged: base64, then URL-encoded or not, padded or not. One more slash
 * before it is let go (clients join a URL that ends in one with "/"). The request,
 * at least one byte and at most OCSP_REQUEST_MAX, is appended; anything else is
 * ERR_INVALID. */
MUST enum err ocsp_path_decode(const char *raw, size_t len, struct buf *out,
			       struct fault *f);

#endif
