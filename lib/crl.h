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

/* A whole list: OpenSSL, and so most clients, count its bytes in an int. */
#define CRL_SIZE_MAX ((1ull << 31) - 1)

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

/* One entry, appended; at most CRL_ENTRY_MAX bytes, as many as crl_entry_size says
 * (0: it cannot be said). ERR_INVALID for an instance or number of no serial of ours,
 * times outside 1970..9999, reasons that RFC 5280 has not (7, over 10) or has for
 * delta lists only (8). Entries go by ascending number, each number once. */
MUST enum err crl_entry_put(struct buf *b, const struct crl_entry *e);
size_t crl_entry_size(const struct crl_entry *e);

/* What stands before entries of that many bytes (0: the list is absent), from the
 * SEQUENCE of the TBSCertList on; and after them (the extensions). ERR_INVALID for a
 * head that would not be read back, ERR_TOO_LARGE for a list over CRL_SIZE_MAX or a
 * head over CRL_HEAD_MAX. */
MUST enum err crl_head_put(struct buf *b, const struct crl_head *h,
			   uint64_t entries);
MUST enum err crl_tail_put(struct buf *b, const struct crl_head *h);
/* The head of the CertificateList around a TBS of that size and that signature. */
MUST enum err crl_outer_put(struct buf *b, uint64_t tbs, enum sig_alg alg,
			    size_t sig);
/* signatureAlgorithm and signatureValue, which end it. */
MUST enum err crl_sig_put(struct buf *b, enum sig_alg alg, struct span sig);

/* Reading a TBSCertList of `size` bytes in pieces of any size, which change nothing of
 * the verdict: checks every byte of it. What is taken has one encoding, the one that
 * crl_head_put, crl_entry_put and crl_tail_put make. Entries must be of this CA's form
 * (18-octet serials of `instance`, dates not after this_update, reasons as
 * crl_entry_put) and strictly ascend by number, so that no number hides twice. After
 * the first failure every call fails. */
struct crl_reader;
struct crl_reader *crl_reader_new(uint8_t instance, uint64_t size);
void crl_reader_free(struct crl_reader **r); /* AUTO-able */
/* Wants each entry as it is read; what is told counts only if crl_reader_end is OK. */
void crl_reader_tell(struct crl_reader *r,
		     void (*on)(void *arg, const struct crl_entry *e),
		     void *arg);
MUST enum err crl_reader_add(struct crl_reader *r, const void *p, size_t n,
			     struct fault *f);
/* All was given: head tells what it says, entries how many there are (the number, not
 * bytes). Spans in head and issuer_der (the whole Name) are borrowed from r. */
MUST enum err crl_reader_end(struct crl_reader *r, struct crl_head *head,
			     struct span *issuer_der, uint64_t *entries,
			     struct fault *f);

/* A whole CertificateList taken apart, borrowed; ERR_INVALID if it is none. */
struct crl_signed {
	struct span tbs, sig;
	enum sig_alg alg;
};
MUST enum err crl_split(struct span der, struct crl_signed *s, struct fault *f);

#endif
