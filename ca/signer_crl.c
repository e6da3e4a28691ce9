/* Part of the signer: CRLs. Each byte is read once, and what is checked is what is
 * signed, whatever happens to the file meanwhile. */
#include "ca/signer.h"

#include "lib/crl.h"
#include "lib/num.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A list on its way through. Ed25519 needs all of it at once. */
struct crl_read {
	struct crl_reader *reader;
	struct signkey *key;
	bool whole;
	struct buf bytes; /* a piece, or all of it */
};

static void crl_read_wipe(struct crl_read *c)
{
	crl_reader_free(&c->reader);
	buf_wipe(&c->bytes);
}

static enum err crl_read_begin(struct crl_read *c, const struct signer *s,
			       uint64_t size, struct fault *f)
{
	c->key = s->keys.issuing;
	c->whole = signkey_type(c->key) == KEY_ED25519;
	if (c->whole && size > SIGNER_CRL_MAX)
		return fault_set(f, ERR_TOO_LARGE,
				 "a CRL under an Ed25519 key has at most %d "
				 "MiB",
				 SIGNER_CRL_MAX >> 20);
	buf_init(&c->bytes, c->whole ? (size_t)size : SIGNER_CRL_PIECE);
	TRY(buf_reserve(&c->bytes, c->bytes.max));
	c->reader = crl_reader_new(s->scope.instance, size);
	return c->whole ? OK : signkey_begin(c->key);
}

static enum err piece(struct crl_read *c, int fd, off_t at, size_t want,
		      struct fault *f)
{
	uint8_t *p;
	ssize_t n;

	if (!c->whole)
		buf_clear(&c->bytes);
	TRY(buf_grow(&c->bytes, want, &p));
	n = pread(fd, p, want, at);
	if (n != (ssize_t)want)
		return fault_set(f, ERR_INVALID,
				 "the CRL is shorter than its size says");
	if (!c->whole)
		TRY(signkey_update(c->key, p, want));
	return crl_reader_add(c->reader, p, want, f);
}

static enum err pieces(struct crl_read *c, int fd, uint64_t offset,
		       uint64_t size, struct fault *f)
{
	uint64_t done = 0;

	while (done < size) {
		size_t n = (size_t)MIN(size - done, (uint64_t)SIGNER_CRL_PIECE);

		TRY(piece(c, fd, (off_t)(offset + done), n, f));
		done += n;
	}
	return OK;
}

/* Which list it is: 0 the full one, else 1 + shard. The name has to be the very one
 * that certificates carry. */
static enum err scope_of(const struct signer *s, struct span point,
			 unsigned *scope, struct fault *f)
{
	size_t head = strlen(s->scope.url) + strlen("/crl/");
	char text[SCOPE_URL_MAX + 32];
	uint64_t shard;

	*scope = 0;
	if (!point.n)
		return OK;
	if (point.n > head &&
	    num_u64((const char *)point.p + head, point.n - head,
		    s->scope.shards - 1, &shard) == OK) {
		(void)snprintf(text, sizeof text, "%s/crl/%u", s->scope.url,
			       (unsigned)shard);
		*scope = 1 + (unsigned)shard;
		if (span_is(point, text))
			return OK;
	}
	return fault_set(f, ERR_INVALID,
			 "the CRL's distribution point is none of this CA's");
}

static enum err check_issuer(const struct signer *s, const struct crl_head *h,
			     struct span issuer, struct fault *f)
{
	if (!span_equal(issuer, s->issuing.subject_der) ||
	    !span_equal(h->authority_key, span_of(s->scope.key_id, 20)))
		return fault_set(f, ERR_DENIED,
				 "the CRL is in the name of another CA");
	if (h->alg != signkey_alg(s->keys.issuing))
		return fault_set(f, ERR_INVALID,
				 "the CRL names another signature algorithm "
				 "than this CA's");
	return OK;
}

static enum err check_head(const struct signer *s, const struct crl_head *h,
			   struct span issuer, int64_t now, unsigned *scope,
			   struct fault *f)
{
	TRY(check_issuer(s, h, issuer, f));
	TRY(scope_of(s, h->point, scope, f));
	if (!signer_near(h->this_update, now))
		return fault_set(f, ERR_INVALID,
				 "the CRL is not as of now: its thisUpdate is "
				 "over 10 minutes off");
	if (h->next_update <= h->this_update ||
	    h->next_update - h->this_update > SIGNER_CRL_LIFE)
		return fault_set(f, ERR_INVALID, "a CRL lives 8 days at most");
	if (h->number <= s->mark.now.crl[*scope])
		return fault_set(f, ERR_CONFLICT,
				 "CRL number %llu is not above %llu, which was "
				 "signed before",
				 (unsigned long long)h->number,
				 (unsigned long long)s->mark.now.crl[*scope]);
	return OK;
}

static enum err crl_sign(struct signer *s, struct crl_read *c)
{
	buf_clear(&s->sig);
	if (!c->whole)
		return signkey_finish(c->key, &s->sig);
	return signkey_sign(c->key, span_of(c->bytes.p, c->bytes.len), &s->sig);
}

/* The number is written with the mark's next record, which is soon enough: a CRL of
 * the same number and other content would be ours all the same. */
enum err signer_crl(struct signer *s, struct attr_view v, int fd, int64_t now,
		    struct attrs *out, struct fault *f)
{
	AUTO(crl_read_wipe) struct crl_read c = { 0 };
	uint64_t offset = 0, size, entries;
	struct crl_head head;
	struct span issuer;
	unsigned scope;

	TRY(signer_option(v, "offset", INT32_MAX, &offset, f));
	TRY(signer_number(v, "size", INT32_MAX, &size, f));
	if (fd < 0)
		return fault_set(f, ERR_INVALID,
				 "the CRL's descriptor did not come");
	TRY(crl_read_begin(&c, s, size, f));
	TRY(pieces(&c, fd, offset, size, f));
	TRY(crl_reader_end(c.reader, &head, &issuer, &entries, f));
	TRY(check_head(s, &head, issuer, now, &scope, f));
	TRY(crl_sign(s, &c));
	s->mark.now.crl[scope] = head.number;
	return attrs_add(out, "signature", 0, s->sig.p, s->sig.len);
}
