/* The signer's nouns. One struct signer a process; the functions take what an issuer's
 * message said and do not trust a byte of it. */
#ifndef CA_SIGNER_H
#define CA_SIGNER_H

#include "ca/signer_keys.h"
#include "ca/signer_mark.h"
#include "lib/box.h"
#include "lib/ca_scope.h"
#include "lib/crl.h"
#include "lib/lint.h"
#include "lib/msg.h"
#include "lib/ocsp.h"
#include "lib/profile.h"

enum {
	SIGNER_ROOT_LIFE = 20 * 365 * 86400, /* preset, s */
	SIGNER_ISSUING_LIFE = 5 * 365 * 86400,
	SIGNER_LIFE_MAX = 50 * 365 * 86400,
	SIGNER_LIFE_MIN = 3600,
	SIGNER_NEAR = 600,        /* how far a time may be from now, s */
	SIGNER_OCSP_LIFE = 86400, /* of an OCSP answer, at most */
	SIGNER_CRL_LIFE = 8 * 86400,
	SIGNER_CRL_MAX = 256 << 20,   /* bytes of a CRL under Ed25519 */
	SIGNER_CRL_PIECE = 256 << 10, /* read at once */
	SIGNER_FIRST = 3,             /* numbers 1 and 2: root and issuing CA */
};

enum signer_state {
	SIGNER_NONE, /* no CA yet */
	SIGNER_READY,
	SIGNER_BROKEN, /* there is one, but it cannot be used: signer.why */
};

/* The delegated OCSP signer: a key made here, never written, and its certificate. */
struct signer_ocsp {
	struct signkey *key;
	struct buf cert; /* DER */
	uint8_t id[20];
	int64_t not_before, not_after;
};

struct signer {
	int dir;            /* its folder */
	struct buf keyfile; /* secret memory */
	struct box_keys *box;
	struct profiles *profiles; /* owned; never NULL once profiles came */
	enum signer_state state;
	struct fault why;
	struct signer_keys keys;
	struct mark mark;
	/* of the issuing certificate */
	struct ca_scope scope;
	struct cert issuing;       /* borrows from keys.issuing_cert */
	struct pubkey issuing_key; /* the same */
	struct lint_issuer lint;
	struct ocsp_issuer ids;
	struct signkey *ocsp_next;  /* made, no certificate yet */
	struct signer_ocsp ocsp;    /* in use */
	struct buf again, sig, der; /* room that is kept */
};

/* dir: its folder, taken; keyfile: secret memory, taken. Reads what is there; what is
 * wrong with it goes into s->state and s->why. */
void signer_init(struct signer *s, int dir, struct buf *keyfile);
void signer_wipe(struct signer *s);
/* Takes p, in place of the profiles before. */
void signer_profiles(struct signer *s, struct profiles *p);

/* One message of the issuer (enum issuer_signer_kind), with its descriptor or -1, at
 * that wall clock. The answer's kind and attributes (out, empty). A refusal is
 * IG_REFUSED with error= and text=, and what it gives back.
 * *changed: an IG_STATE is due before the answer. */
struct signer_reply {
	uint32_t kind;
	struct attrs *out;
	bool changed;
};
MUST enum err signer_call(struct signer *s, const struct msg *m, int fd,
			  int64_t now, struct signer_reply *r, struct fault *f);
/* The attributes of IG_STATE. */
MUST enum err signer_state_format(const struct signer *s, struct attrs *out);

/* What signer_call calls; all leave s as it was when they fail. */
MUST enum err signer_make(struct signer *s, struct attr_view v, int64_t now,
			  struct fault *f); /* IG_INIT */
MUST enum err signer_renew(struct signer *s, struct attr_view v, int64_t now,
			   struct fault *f); /* IG_RENEW */
/* Reads scope, names and keys out of s->keys.issuing_cert. */
MUST enum err signer_take_issuing(struct signer *s, struct fault *f);
MUST enum err signer_cert(struct signer *s, struct attr_view v, int64_t now,
			  struct attrs *out, struct fault *f); /* IG_SIGN */
MUST enum err signer_ocsp_new(struct signer *s, struct attrs *out,
			      struct fault *f);
MUST enum err signer_ocsp_use(struct signer *s, struct attr_view v, int64_t now,
			      struct fault *f);
MUST enum err signer_ocsp(struct signer *s, struct attr_view v, int64_t now,
			  struct attrs *out, struct fault *f); /* IG_OCSP */
void signer_ocsp_wipe(struct signer_ocsp *o);
MUST enum err signer_crl(struct signer *s, struct attr_view v, int fd,
			 int64_t now, struct attrs *out, struct fault *f);
MUST enum err signer_note(struct signer *s, struct attr_view v, int64_t now,
			  struct attrs *out, struct fault *f); /* IG_NOTE */

/* The one attribute of that name; ERR_INVALID says which is wanting. size 0: any. */
MUST enum err signer_bytes(struct attr_view v, const char *name, size_t size,
			   struct span *out, struct fault *f);
MUST enum err signer_number(struct attr_view v, const char *name, uint64_t max,
			    uint64_t *n, struct fault *f);
/* The same; *n stays as it is if there is none. */
MUST enum err signer_option(struct attr_view v, const char *name, uint64_t max,
			    uint64_t *n, struct fault *f);
/* True if t is at most SIGNER_NEAR from now. */
bool signer_near(int64_t t, int64_t now);

#endif
