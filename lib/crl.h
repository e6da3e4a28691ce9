/* Revocation lists (RFC 5280 section 5): the TBSCertList, written as a stream and read
 * back as one, so that a list of a million entries never lies in memory whole.
 *
 * The head depends on the length of all that follows; so entries are counted in bytes
 * first (crl_entry_size) or written to a file and the head put before them. */
#ifndef LIB_CRL_H
#define LIB_CRL_H

#include "lib/cert.h"

enum {
	CRL_HEAD_MAX = 2048, /* bytes before the first entry */
	CRL_TAIL_MAX = 2048, /* after the last one */
	CRL_ENTRY_MAX = 64,  /* bytes of one entry */
	CRL_SIG_MAX = 600,
};

struct crl_head {
	enum sig_alg alg;
	struct dn issuer;
	int64_t this_update, next_update;
	/* extensions */
	uint64_t number;
	struct span authority_key;
	struct span
		point; /* URL of the shard, IDP critical; n 0: a full list */
};

struct crl_entry {
	struct serial serial;
	int64_t at;
	unsigned reason; /* 0: none is said */
};

/* One entry, appended; at most CRL_ENTRY_MAX bytes. */
MUST enum err crl_entry_put(struct buf *b, const struct crl_entry *e);

/* What stands before entries of that many bytes (0: the list is absent), from the
 * SEQUENCE of the TBSCertList on; and after them (the extensions). */
MUST enum err crl_head_put(struct buf *b, const struct crl_head *h,
			   uint64_t entries);
MUST enum err crl_tail_put(struct buf *b, const struct crl_head *h);
/* The head of the CertificateList around a TBS of that size and that signature. */
MUST enum err crl_outer_put(struct buf *b, uint64_t tbs, enum sig_alg alg,
			    size_t sig);
/* signatureAlgorithm and signatureValue, which end it. */
MUST enum err crl_sig_put(struct buf *b, enum sig_alg alg, struct span sig);

/* Reading a TBSCertList in pieces of any size: checks every byte of it. Entries must
 * be of this CA's form (18-octet serials of `instance`, dates not after this_update,
 * reasons of RFC 5280). */
struct crl_reader;
struct crl_reader *crl_reader_new(uint8_t instance, uint64_t size);
void crl_reader_free(struct crl_reader **r); /* AUTO-able */
MUST enum err crl_reader_add(struct crl_reader *r, const void *p, size_t n,
			     struct fault *f);
/* All was given: head tells what it says (issuer's DER name borrowed from r). */
MUST enum err crl_reader_end(struct crl_reader *r, struct crl_head *head,
			     struct span *issuer_der, uint64_t *entries,
			     struct fault *f);

#endif
