/* What the tests of revocation lists share: a world, lists of it, the reader's word. */
#ifndef TESTS_UNIT_CRL_WORLD_H
#define TESTS_UNIT_CRL_WORLD_H

#include "lib/clock.h"
#include "lib/crl.h"
#include "tests/unit/pki_world.h"

#define LIST_MAX (CRL_SIZE_MAX)

static struct pki world;
static const int64_t NOW = 1767323045; /* 2026-01-02T03:04:05Z */
static const char point[] = "http://ca.example:7080/crl/7";

static inline int begin(void **state)
{
	(void)state;
	pki_open(&world);
	return 0;
}

static inline int end(void **state)
{
	(void)state;
	pki_close(&world);
	return 0;
}

static inline struct crl_head head_of(int64_t now, bool shard)
{
	return (struct crl_head){
		.alg = SIG_ECDSA_SHA256,
		.issuer = { .domain = span_str("example"),
			    .o = span_str("issuing") },
		.this_update = now,
		.next_update = now + 3600,
		.number = 0x80fe, /* needs a sign octet */
		.authority_key = span_of(world.ca_id, 20),
		.point = shard ? span_str(point) : span_of(NULL, 0),
	};
}

static inline struct crl_entry entry_of(uint64_t number, int64_t at,
					unsigned reason)
{
	struct crl_entry e = { .at = at, .reason = reason };
	uint8_t tail[SERIAL_TAIL];

	for (size_t i = 0; i < sizeof tail; i++)
		tail[i] = (uint8_t)(number * 7 + i);
	serial_make(3, number, tail, &e.serial);
	return e;
}

/* Entries 1..n of all forms: with and without reason. */
static inline void entries_put(struct buf *b, unsigned n, int64_t now)
{
	static const unsigned reasons[] = { 0, 1, 2, 3, 4, 5, 6, 9, 10 };

	for (unsigned i = 1; i <= n; i++) {
		struct crl_entry e =
			entry_of(3 * i, now - i, reasons[i % NELEM(reasons)]);
		size_t before = b->len;

		assert_int_equal(crl_entry_put(b, &e), OK);
		assert_int_equal(b->len - before, crl_entry_size(&e));
		assert_true(b->len - before <= CRL_ENTRY_MAX);
	}
}

static inline void tbs_of(struct buf *out, const struct crl_head *h,
			  const struct buf *entries)
{
	assert_int_equal(crl_head_put(out, h, entries->len), OK);
	assert_int_equal(buf_put(out, entries->p, entries->len), OK);
	assert_int_equal(crl_tail_put(out, h), OK);
}

static inline void tbs_sample(struct buf *out, unsigned n, bool shard)
{
	AUTO(buf_wipe) struct buf entries = { .max = LIST_MAX };
	struct crl_head h = head_of(NOW, shard);

	entries_put(&entries, n, NOW);
	tbs_of(out, &h, &entries);
}

/* What the reader says of p, given in pieces of up to `most` bytes. */
static inline enum err read_in(const uint8_t *p, size_t n, uint64_t size,
			       size_t most, uint64_t *seed, uint64_t *count)
{
	AUTO(crl_reader_free)
	struct crl_reader *r = crl_reader_new(3, size);
	struct fault f = { .text = "" };
	struct crl_head h;
	struct span issuer;
	enum err e = OK;

	while (n && e == OK) {
		size_t k = most == SIZE_MAX ? n : 1 + unit_below(seed, most);

		k = MIN(k, n);
		e = crl_reader_add(r, p, k, &f);
		p += k;
		n -= k;
	}
	if (e == OK)
		e = crl_reader_end(r, &h, &issuer, count, &f);
	assert_true(e == OK || (e == ERR_INVALID && f.text[0]));
	/* once refused, refused for ever */
	if (e != OK)
		assert_int_equal(crl_reader_end(r, &h, &issuer, count, NULL),
				 ERR_INVALID);
	return e;
}

static inline enum err read_whole(const uint8_t *p, size_t n)
{
	uint64_t count;

	return read_in(p, n, n, SIZE_MAX, NULL, &count);
}

/* Replaces the first place at or after `from` where that stands. */
static inline void swap(struct buf *b, const char *was, const char *is,
			size_t n)
{
	uint8_t *at = memmem(b->p, b->len, was, n);

	assert_non_null(at);
	memcpy(at, is, n);
}

#endif
