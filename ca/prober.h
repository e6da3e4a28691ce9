/* One TLS handshake as the prober makes it, without its socket (ca/prober_tls.c): bytes
 * of the peer in, bytes for it out, and in the end whether it has the key. */
#ifndef CA_PROBER_H
#define CA_PROBER_H

#include "lib/buf.h"

enum {
	PROBE_BYTES_MAX = 64 << 10, /* of the peer's that are read */
	PROBE_SPKI_MAX = 4 << 10,
	PROBE_HOST = 254, /* bytes of a host's name, with NUL */
};

/* What the server must choose (RFC 7301): that it is there to be probed, and that no
 * other service of that key was deceived into a handshake. */
#define PROBE_ALPN "cretula-verify"

enum handshake_state {
	HANDSHAKE_GOES_ON, /* bytes of the peer are wanted */
	HANDSHAKE_PROVEN,
	HANDSHAKE_FAILED,
};

/* Makes OpenSSL load and open everything that a handshake takes: before confinement. */
void handshake_warm(void);

struct handshake;

/* Expects spki (DER). The greeting is there for handshake_give at once. */
struct handshake *handshake_new(const void *spki, size_t spki_len,
				const char *host);
void handshake_free(struct handshake *p);

/* The peer sent n bytes; n of 0: it will send no more. The sentence that goes with
 * the end is in *why. Once it does not go on, it never does. */
enum handshake_state handshake_take(struct handshake *p, const void *bytes,
				    size_t n, struct fault *why);

/* Moves what is to be sent to out. */
MUST enum err handshake_give(struct handshake *p, struct buf *out);

#endif
