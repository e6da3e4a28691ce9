/* What an agent claims, and bundle.pem of the file view: PEM of its private key (PKCS #8),
 * its certificate, and the CA certificates behind it, the one that issued it first
 * (docs/keyring.md). Read strictly: the blocks in this order, each as pem_put writes it,
 * and nothing between or after them; everything in it belongs together. */
#ifndef LIB_AGENT_BUNDLE_H
#define LIB_AGENT_BUNDLE_H

#include "lib/agent_id.h"
#include "lib/buf.h"
#include "lib/cert.h"

enum {
	AGENT_BUNDLE_MAX = 32767, /* what a key of the kernel holds */
	AGENT_CHAIN_MAX = 4,      /* CA certificates */
	AGENT_SERIAL_TEXT = 2 * CERT_SERIAL_MAX,
};

struct agent_bundle {
	/* PEM, with a NUL behind len; the key's in secret memory */
	struct buf key, cert, chain;
	struct buf
		der[1 +
		    AGENT_CHAIN_MAX]; /* the certificates, the agent's first */
	size_t certs;
	char agent[AGENT_ID_LEN + 1];
	char serial[AGENT_SERIAL_TEXT + 1]; /* hex */
	int64_t not_before, not_after;
};

/* b must hold nothing; wiped with agent_bundle_wipe (AUTO-able), also after a failure.
 * agent: whose it has to be; NULL: anybody's. ERR_INVALID or ERR_TOO_LARGE says what is
 * wrong and shows nothing of the key. */
MUST enum err agent_bundle_parse(const char *text, size_t len,
				 const char *agent, struct agent_bundle *b,
				 struct fault *f);
void agent_bundle_wipe(struct agent_bundle *b);

/* When two thirds of the certificate's life are over. */
int64_t agent_bundle_renew_at(const struct agent_bundle *b);

#endif
