/* The secret of one credential and the signing keys derived from it, a few of
 * them, each for one day, region and service. Used by one worker, from one thread. */
#ifndef SIGV4_KEY_H
#define SIGV4_KEY_H

#include "modules/aws-sigv4/sigv4.h"

#include <openssl/evp.h>

#pragma GCC visibility push(hidden)

enum {
	SHA256_SIZE = 32,
	KEYS_MAX = 16,
};

struct keys;

/* Copies the secret into memory of its own. NULL if OpenSSL has no HMAC. */
struct keys *keys_new(struct str secret);
void keys_free(struct keys *k);

/* HMAC-SHA-256 of data under the signing key of that scope. day: YYYYMMDD. False
 * if OpenSSL fails. */
MUST bool keys_sign(struct keys *k, const char *day, struct str region,
		    struct str service, struct str data,
		    uint8_t out[SHA256_SIZE]);

/* Wipes every key if `now` is on another day than at the last call. */
void keys_tick(struct keys *k, int64_t now);

#pragma GCC visibility pop

#endif
