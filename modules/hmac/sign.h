/* Signing one request with one opened credential. */
#ifndef HMAC_SIGN_H
#define HMAC_SIGN_H

#include "modules/hmac/hmac.h"

#include <openssl/evp.h>

#pragma GCC visibility push(hidden)

enum {
	HEADER_NAME_MAX = 128,
	PREFIX_MAX = 256,
	MAC_MAX = 64, /* SHA-512 */
};

struct signer {
	EVP_MAC *hmac;
	EVP_MAC_CTX *mac;
	EVP_MD *sha256;
	EVP_MD_CTX *digest;
	bool base64;
	struct template template; /* borrows from template_text */
	uint8_t *template_text;
	char *lead; /* "HEADER: PREFIX", NULL if there is no header */
};

/* Replies with the signature of r and what the server needs to check it. */
MUST enum cretula_result signer_run(const struct job *j, struct signer *s,
				    struct request *r);

#pragma GCC visibility pop

#endif
