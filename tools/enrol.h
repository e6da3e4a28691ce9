/* An enrolment, whichever way it goes to ca. */
#ifndef TOOLS_ENROL_H
#define TOOLS_ENROL_H

#include "tools/ca.h"

#include "lib/token.h"

struct enrol {
	struct token token;
	struct buf csr;          /* DER */
	struct attrs asks;       /* name= uri= agent= lifetime= endpoint= */
	struct buf cert, issuer; /* the result, DER */
	struct attrs said;       /* serial= and so on, as ca said it */
};

/* The signature by the token that ca with the key in `issuer` (DER of the issuing
 * CA's certificate) wants. */
MUST enum err enrol_sign(const struct enrol *n, struct span issuer,
			 uint8_t sig[TOKEN_SIG], struct fault *f);

/* tools/enrol_http.c: by HTTPS. root: a file. An exit code after saying what failed. */
int enrol_http(const char *url, const char *root, struct enrol *n);

#endif
