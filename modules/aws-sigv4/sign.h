/* Signing one parsed request with one opened credential. */
#ifndef SIGV4_SIGN_H
#define SIGV4_SIGN_H

#include "modules/aws-sigv4/key.h"

#pragma GCC visibility push(hidden)

struct signer {
	struct arena arena;
	struct keys *keys;
	struct str access_key;
	struct str token; /* n 0: none; locked memory */
	bool ends;        /* not_after was given */
	int64_t not_after;
	char ends_text[32]; /* not_after, as it was given */
	EVP_MD *sha256;
	EVP_MD_CTX *digest;
};

/* Replies with what has to be added to the request. */
MUST enum cretula_result sign_request(const struct job *j, struct signer *s,
				      struct request *r);

#pragma GCC visibility pop

#endif
