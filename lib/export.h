/* Sealed export: a credential's version, sealed to the key of one store, so that it
 * travels by mail, git or a pipeline without being seen. Pure: no clock, no files.
 *
 *	CSX1 | suite u8 | recipient key id[8] | crypto_box_seal(list)
 *
 * key id: the first 8 bytes of BLAKE2b-256 of the recipient's sealing public key. The
 * list, each once:
 *	purpose=export|rotate|seal to=BYTES(32: the recipient's sealing public key)
 *	from=BYTES(32: the sender's signing public key)|anonymous name= module=
 *	[version=] made= [not_after=] id=BYTES(16) attributes=LIST [signature=BYTES(64)]
 * signature: Ed25519 over "cretula-export-v1" 00 | the list before it, and the last; an
 * anonymous one has none. `to` is inside, so that a recipient cannot pass on as the
 * sender's what was signed for him. */
#ifndef LIB_EXPORT_H
#define LIB_EXPORT_H

#include "lib/attr.h"
#include "lib/secret.h"

enum {
	EXPORT_SUITE = 1, /* X25519, XSalsa20-Poly1305, Ed25519 */
	EXPORT_KEY = 32,
	EXPORT_KEY_ID = 8,
	EXPORT_SIG = 64,
	EXPORT_ID = 16,
	EXPORT_STORE = 16,
	EXPORT_HEAD = 4 + 1 + EXPORT_KEY_ID,
	EXPORT_LIST_MAX = 80 << 10,
	EXPORT_MAX = 96 << 10, /* bytes of one export */
	EXPORT_TEXT_MAX = 160 << 10,
	EXPORT_NAME_MAX = 64,
	EXPORT_NODE_MAX = 255,
	EXPORT_URL_MAX = 255,
	EXPORT_PUB_MAX = 1024, /* bytes of HOST.pub */
	EXPORT_SKEW = 300,     /* s that clocks may differ */
};

/* Version numbers: far from their end, whatever a peer says. */
#define EXPORT_VERSION_MAX UINT64_C(1000000000000000)
/* … and how far a new one may be above the last, so that nobody uses them up. */
#define EXPORT_STEP_MAX UINT64_C(10000000000)
/* How far a peer's may be above ours to be believed; less, since who was not there for
 * many of our rotations has to be able to take the latest. */
#define EXPORT_AHEAD_MAX UINT64_C(100000000)

#define EXPORT_LABEL "CRETULA SEALED EXPORT"

enum export_purpose {
	EXPORT_EXPORT, /* a version, as a person asked for it */
	EXPORT_ROTATE, /* … for a store that has the credential already */
	EXPORT_SEAL,   /* made without a store, by whoever had the secret */
	EXPORT__PURPOSES
};

/* HOST.pub, one line:
 *	version=1 name=NODE store=HEX seal=BASE64 sign=BASE64 [url=URL] */
struct export_pub {
	char node[EXPORT_NODE_MAX + 1];
	char url[EXPORT_URL_MAX + 1]; /* "": none */
	uint8_t store[EXPORT_STORE];
	uint8_t seal[EXPORT_KEY], sign[EXPORT_KEY];
};

struct export
{
	enum export_purpose purpose;
	bool anonymous;
	uint8_t sender[EXPORT_KEY]; /* his signing key, unless anonymous */
	char name[EXPORT_NAME_MAX + 1], module[ATTR_NAME_MAX + 1];
	uint64_t version; /* 0: the next, whichever that is */
	int64_t made;
	int64_t not_after;     /* to be imported by then; 0: at any time */
	uint8_t id[EXPORT_ID]; /* of the version: the same wherever it is */
	struct attr_view attributes; /* borrowed */
};

/* The two key pairs of a store, in secret memory. */
struct export_keys;

struct export_keys *export_keys_new(const uint8_t seal[EXPORT_KEY],
				    const uint8_t sign[EXPORT_KEY]);
void export_keys_drop(struct export_keys **k); /* wipes, frees, sets NULL */
const uint8_t *export_seal_key(const struct export_keys *k); /* public */
const uint8_t *export_sign_key(const struct export_keys *k); /* public */

void export_key_id(const uint8_t seal[EXPORT_KEY], uint8_t id[EXPORT_KEY_ID]);

/* "export", "rotate", "seal"; static. */
const char *export_purpose_name(enum export_purpose p);

/* Appends the export of x to the store of that sealing key, signed by `from` (NULL:
 * x->anonymous). x->sender is not looked at. ERR_INVALID: `to` is no usable key;
 * ERR_TOO_LARGE. */
MUST enum err export_make(const struct export *x, const uint8_t to[EXPORT_KEY],
			  const struct export_keys *from, struct buf *out,
			  struct fault *f);

/* Opens one into list (empty, secret), from which x borrows: it is for this store, whole,
 * and signed by x->sender, or anonymous. Whether that sender is known, and whether it may
 * still be imported, is for the caller. ERR_INVALID: damaged or not well-formed;
 * ERR_CONFLICT: for another store; ERR_UNSUPPORTED: a newer format or suite. */
MUST enum err export_open(const struct export_keys *k, const void *p,
			  size_t len, struct attrs *list, struct export *x,
			  struct fault *f);

/* What export_open reads, from the list itself; `to` is the reader's sealing key. */
MUST enum err export_list_parse(struct attr_view v,
				const uint8_t to[EXPORT_KEY], struct export *x,
				struct fault *f);

/* What the importing store knows of that name. */
struct export_seen {
	uint64_t version; /* the highest ever; 0: none */
	int64_t made;     /* of that one, or of a younger one before it */
	bool current;     /* there is a credential of that name now, whose */
	uint8_t id[EXPORT_ID]; /* version has this id */
};

/* The rules (lib/export_check.c): in time, and newer than what was seen. *number: the
 * version it becomes; *there: it is that already (the same id, and no number above).
 * ERR_EXPIRED, ERR_INVALID (dated in the future), ERR_NOT_FOUND (a rotation of what is
 * not here), ERR_CONFLICT (not above what was seen, or too far above). */
MUST enum err export_check(const struct export *x,
			   const struct export_seen *seen, int64_t now,
			   uint64_t *number, bool *there, struct fault *f);

/* ERR_CONFLICT: number is more than EXPORT_STEP_MAX above seen. */
MUST enum err export_step_check(uint64_t number, uint64_t seen,
				const char *name, struct fault *f);

/* As text between BEGIN and END, and back: text or the bytes themselves. */
MUST enum err export_armour(const void *p, size_t len, struct buf *out);
MUST enum err export_unarmour(const void *text, size_t len, struct buf *out,
			      struct fault *f);

/* HOST.pub with its newline, and back (lib/export_pub.c). ERR_UNSUPPORTED: a newer
 * version; ERR_INVALID with the reason. */
MUST enum err export_pub_format(const struct export_pub *p, struct buf *out);
MUST enum err export_pub_parse(const void *text, size_t len,
			       struct export_pub *p, struct fault *f);
/* Node, keys and URL are usable ones. */
MUST enum err export_pub_check(const struct export_pub *p, struct fault *f);

#endif
