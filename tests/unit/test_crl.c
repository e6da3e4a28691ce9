/* lib/crl: the reader takes the lists that are written here and nothing else, in
 * pieces of whatever size. */
#include "tests/unit/crl_world.h"

static void test_what_is_written_is_read(void **state)
{
	static const unsigned counts[] = { 0, 1, 2, 3, 50, 5000 };

	(void)state;
	for (unsigned i = 0; i < 2 * NELEM(counts); i++) {
		AUTO(buf_wipe) struct buf tbs = { .max = LIST_MAX };
		AUTO(crl_reader_free) struct crl_reader *r = NULL;
		struct crl_head h, want = head_of(NOW, i % 2);
		uint64_t count = 99;
		struct span issuer;

		tbs_sample(&tbs, counts[i / 2], i % 2);
		r = crl_reader_new(3, tbs.len);
		assert_int_equal(crl_reader_add(r, tbs.p, tbs.len, NULL), OK);
		assert_int_equal(crl_reader_end(r, &h, &issuer, &count, NULL),
				 OK);
		assert_int_equal(count, counts[i / 2]);
		assert_int_equal(h.alg, want.alg);
		assert_int_equal(h.this_update, want.this_update);
		assert_int_equal(h.next_update, want.next_update);
		assert_int_equal(h.number, want.number);
		assert_true(span_equal(h.authority_key, want.authority_key));
		assert_true(span_equal(h.point, want.point));
		assert_true(span_equal(h.issuer.domain, want.issuer.domain));
		assert_true(span_equal(h.issuer.o, want.issuer.o));
		assert_true(span_equal(issuer, world.ca_name));
	}
}

/* Every prefix, also one that claims to be all, is refused. */
static void test_every_cut_is_refused(void **state)
{
	AUTO(buf_wipe) struct buf tbs = { .max = LIST_MAX };
	uint64_t count;

	(void)state;
	tbs_sample(&tbs, 4, true);
	for (size_t i = 0; i < tbs.len; i++) {
		uint8_t *copy = xmemdup(tbs.p, i);

		assert_int_equal(
			read_in(copy, i, tbs.len, SIZE_MAX, NULL, &count),
			ERR_INVALID);
		assert_int_equal(read_in(copy, i, i, SIZE_MAX, NULL, &count),
				 ERR_INVALID);
		free(copy);
	}
	assert_int_equal(
		read_in(tbs.p, tbs.len, tbs.len + 1, SIZE_MAX, NULL, &count),
		ERR_INVALID);
	assert_int_equal(buf_u8(&tbs, 0), OK);
	assert_int_equal(read_whole(tbs.p, tbs.len), ERR_INVALID);
	assert_int_equal(
		read_in(tbs.p, tbs.len, tbs.len - 1, SIZE_MAX, NULL, &count),
		ERR_INVALID);
	assert_int_equal(
		read_in(tbs.p, tbs.len, UINT64_MAX, SIZE_MAX, NULL, &count),
		ERR_INVALID);
}

/* Changed and sound lists, in pieces and in one: the same verdict. */
static void test_pieces_change_nothing(void **state)
{
	static const size_t most[] = { 1, 2, 3, 7, 60, 700, 5000 };
	AUTO(buf_wipe) struct buf tbs = { .max = LIST_MAX };
	uint64_t seed = unit_seed();
	unsigned taken = 0;

	(void)state;
	tbs_sample(&tbs, 120, true);
	assert_true(tbs.len > 2 * CRL_HEAD_MAX);
	for (int i = 0; i < 6000; i++) {
		uint8_t *copy = xmemdup(tbs.p, tbs.len);
		uint64_t a = 0, b = 0;
		enum err whole;

		if (i % 4)
			copy[unit_below(&seed, tbs.len)] ^=
				(uint8_t)(1 << unit_below(&seed, 8));
		whole = read_in(copy, tbs.len, tbs.len, SIZE_MAX, NULL, &a);
		assert_int_equal(read_in(copy, tbs.len, tbs.len,
					 most[(size_t)i % NELEM(most)], &seed,
					 &b),
				 whole);
		assert_int_equal(a, b);
		taken += whole == OK;
		assert_true(i % 4 || whole == OK);
		free(copy);
	}
	/* the random part of a serial may change, and some digits of times */
	assert_in_range(taken, 1501, 5000);
}

/* Each of these differs by a few bytes from a list that is taken. */
static const struct {
	const char *what, *was, *is;
	size_t n;
} swaps[] = {
	{ "v1", "\x02\x01\x01\x30", "\x02\x01\x00\x30", 4 },
	{ "reason 0", "\x0a\x01\x01", "\x0a\x01\x00", 3 },
	{ "reason 7", "\x0a\x01\x01", "\x0a\x01\x07", 3 },
	{ "reason 8", "\x0a\x01\x01", "\x0a\x01\x08", 3 },
	{ "reason 11", "\x0a\x01\x01", "\x0a\x01\x0b", 3 },
	{ "a reason that is an INTEGER", "\x0a\x01\x01", "\x02\x01\x01", 3 },
	{ "another entry extension", "\x55\x1d\x15", "\x55\x1d\x18", 3 },
	{ "another instance", "\x02\x12\x03", "\x02\x12\x04", 3 },
	{ "a shorter serial", "\x02\x12\x03", "\x02\x11\x03", 3 },
	{ "a second 60", "030404Z", "030460Z", 7 },
	{ "a month 13", "260102030404Z", "261302030404Z", 13 },
	{ "a day 0", "260102030404Z", "260100030404Z", 13 },
	{ "no digit", "260102030404Z", "26010203040:Z", 13 },
	{ "no Z", "030404Z", "030404z", 7 },
	{ "before 1970", "260102030404Z", "690102030404Z", 13 },
	{ "revoked after the list", "030404Z", "030406Z", 7 },
	{ "an entry in the wrong century",
	  "\x17\x0d"
	  "260102030404Z",
	  "\x18\x0d"
	  "260102030404Z",
	  15 },
	{ "number 6 before 9", "\x00\x00\x00\x00\x03", "\x00\x00\x00\x00\x06",
	  5 },
	{ "number 0", "\x00\x00\x00\x00\x03", "\x00\x00\x00\x00\x00", 5 },
	{ "not AKI", "\x55\x1d\x23", "\x55\x1d\x22", 3 },
	{ "not CRLNumber", "\x55\x1d\x14", "\x55\x1d\x13", 3 },
	{ "delta", "\x55\x1d\x1c", "\x55\x1d\x1b", 3 },
	{ "IDP not critical", "\x01\x01\xff\x04", "\x01\x01\x00\x04", 4 },
	{ "IDP by name", "\xa0\x1e\x86\x1c", "\xa0\x1e\x82\x1c", 4 },
	{ "IDP relative", "\xa0\x20\xa0\x1e", "\xa0\x20\xa1\x1e", 4 },
	{ "IDP of users only", "\xa0\x20\xa0\x1e", "\xa1\x20\xa0\x1e", 4 },
	{ "a blank in the URL", "http://c", "http:// ", 8 },
	{ "a negative number", "\x02\x03\x00\x80\xfe", "\x02\x03\x80\x00\xfe",
	  5 },
	{ "a padded number", "\x02\x03\x00\x80\xfe", "\x02\x03\x00\x00\xfe",
	  5 },
	{ "another algorithm", "\x04\x03\x02\x30", "\x04\x03\x09\x30", 4 },
	{ "nextUpdate before thisUpdate", "040405Z", "020405Z", 7 },
};

static void test_wrong_lists_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < NELEM(swaps); i++) {
		AUTO(buf_wipe) struct buf tbs = { .max = LIST_MAX };

		tbs_sample(&tbs, 3, true);
		assert_int_equal(read_whole(tbs.p, tbs.len), OK);
		swap(&tbs, swaps[i].was, swaps[i].is, swaps[i].n);
		if (read_whole(tbs.p, tbs.len) == OK)
			print_error("%s was taken\n", swaps[i].what);
		assert_int_equal(read_whole(tbs.p, tbs.len), ERR_INVALID);
	}
}

/* SEQUENCE { fields [entries] tail } by hand. */
static void tbs_by_hand(struct buf *out, bool list, const struct buf *entries,
			const struct buf *tail)
{
	struct crl_head h = head_of(NOW, false);
	size_t seq, revoked;

	assert_int_equal(der_begin(out, DER_SEQ, &seq), OK);
	assert_int_equal(der_put_u64(out, DER_INTEGER, 1), OK);
	assert_int_equal(sig_alg_put(out, h.alg), OK);
	assert_int_equal(dn_put(out, &h.issuer), OK);
	assert_int_equal(der_put_time(out, h.this_update), OK);
	assert_int_equal(der_put_time(out, h.next_update), OK);
	if (list) {
		assert_int_equal(der_begin(out, DER_SEQ, &revoked), OK);
		assert_int_equal(buf_put(out, entries->p, entries->len), OK);
		assert_int_equal(der_end(out, revoked), OK);
	}
	assert_int_equal(buf_put(out, tail->p, tail->len), OK);
	assert_int_equal(der_end(out, seq), OK);
}

static void extension_put(struct buf *b, enum oid o, bool critical,
			  const char *value, size_t n)
{
	size_t ext;

	assert_int_equal(der_begin(b, DER_SEQ, &ext), OK);
	assert_int_equal(oid_put(b, o), OK);
	if (critical)
		assert_int_equal(der_put_bool(b, true), OK);
	assert_int_equal(der_put(b, DER_OCTETS, value, n), OK);
	assert_int_equal(der_end(b, ext), OK);
}

enum {
	WITH_KEY = 1,
	WITH_NUMBER = 2,
	WITH_MORE = 4,
	WITH_NUMBER_FIRST = 8,
};

static void tail_by_hand(struct buf *out, unsigned with)
{
	static const char key[] = "\x30\x16\x80\x14"
				  "01234567890123456789";
	size_t outer, list;

	assert_int_equal(der_begin(out, DER_CTX_SEQ | 0, &outer), OK);
	assert_int_equal(der_begin(out, DER_SEQ, &list), OK);
	if (with & WITH_NUMBER_FIRST)
		extension_put(out, OID_CRL_NUMBER, false, "\x02\x01\x05", 3);
	if (with & WITH_KEY)
		extension_put(out, OID_AUTHORITY_KEY_ID, false, key, 24);
	if (with & WITH_NUMBER)
		extension_put(out, OID_CRL_NUMBER, false, "\x02\x01\x05", 3);
	if (with & WITH_MORE)
		extension_put(out, OID_CRL_POINTS, false, "x", 1);
	assert_int_equal(der_end(out, list), OK);
	assert_int_equal(der_end(out, outer), OK);
}

static void test_lists_by_hand(void **state)
{
	static const struct {
		unsigned with;
		bool list, entries;
		enum err want;
	} kinds[] = {
		{ WITH_KEY | WITH_NUMBER, true, true, OK },
		{ WITH_KEY | WITH_NUMBER, false, false, OK },
		{ WITH_KEY | WITH_NUMBER, true, false, ERR_INVALID },
		{ WITH_KEY, true, true, ERR_INVALID },
		{ WITH_NUMBER, true, true, ERR_INVALID },
		{ 0, true, true, ERR_INVALID },
		{ WITH_KEY | WITH_NUMBER | WITH_MORE, true, true, ERR_INVALID },
		{ WITH_KEY | WITH_NUMBER_FIRST, true, true, ERR_INVALID },
		{ WITH_KEY | WITH_NUMBER | WITH_NUMBER_FIRST, true, true,
		  ERR_INVALID },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(kinds); i++) {
		AUTO(buf_wipe) struct buf entries = { .max = LIST_MAX };
		AUTO(buf_wipe) struct buf tail = { .max = CRL_TAIL_MAX };
		AUTO(buf_wipe) struct buf tbs = { .max = LIST_MAX };

		if (kinds[i].entries)
			entries_put(&entries, 2, NOW);
		tail_by_hand(&tail, kinds[i].with);
		tbs_by_hand(&tbs, kinds[i].list, &entries, &tail);
		assert_int_equal(read_whole(tbs.p, tbs.len), kinds[i].want);
		buf_clear(&tbs);
		buf_clear(&tail);
		tbs_by_hand(&tbs, kinds[i].list, &entries, &tail);
		assert_int_equal(read_whole(tbs.p, tbs.len), ERR_INVALID);
	}
}

/* The list of certificates ends within one; what follows is sound. */
static void test_a_cut_entry_at_the_end_is_refused(void **state)
{
	AUTO(buf_wipe) struct buf entries = { .max = LIST_MAX };
	struct crl_entry e = entry_of(1, NOW, 1);
	struct crl_head h = head_of(NOW, false);
	size_t whole = crl_entry_size(&e);

	(void)state;
	assert_int_equal(crl_entry_put(&entries, &e), OK);
	e = entry_of(2, NOW, 1);
	assert_int_equal(crl_entry_put(&entries, &e), OK);
	for (size_t n = 1; n <= 2 * whole; n++) {
		AUTO(buf_wipe) struct buf tbs = { .max = LIST_MAX };

		entries.len = n;
		tbs_of(&tbs, &h, &entries);
		assert_int_equal(read_whole(tbs.p, tbs.len),
				 n % whole ? ERR_INVALID : OK);
	}
}

/* More than a head or a tail may have, in a list that adds up. */
static void test_large_heads_and_tails_are_refused(void **state)
{
	AUTO(buf_wipe) struct buf entries = { .max = LIST_MAX };
	AUTO(buf_wipe) struct buf tail = { .max = LIST_MAX };
	AUTO(buf_wipe) struct buf tbs = { .max = LIST_MAX };
	char *more = xcalloc(1, 2 * CRL_HEAD_MAX);
	size_t seq;

	(void)state;
	entries_put(&entries, 100, NOW);
	assert_int_equal(
		der_put(&tail, DER_CTX_SEQ | 0, more, 2 * CRL_TAIL_MAX), OK);
	tbs_by_hand(&tbs, true, &entries, &tail);
	assert_int_equal(read_whole(tbs.p, tbs.len), ERR_INVALID);
	buf_clear(&tbs);
	assert_int_equal(der_begin(&tbs, DER_SEQ, &seq), OK);
	assert_int_equal(der_put_u64(&tbs, DER_INTEGER, 1), OK);
	assert_int_equal(sig_alg_put(&tbs, SIG_ECDSA_SHA256), OK);
	assert_int_equal(der_put(&tbs, DER_SEQ, more, 2 * CRL_HEAD_MAX), OK);
	assert_int_equal(der_end(&tbs, seq), OK);
	assert_int_equal(read_whole(tbs.p, tbs.len), ERR_INVALID);
	free(more);
}

/* The same number twice, whatever the rest of the serial, and descending ones. */
static void test_numbers_must_ascend(void **state)
{
	static const uint64_t pairs[][2] = {
		{ 5, 5 },
		{ 6, 5 },
		{ SERIAL_NUMBER_MAX, 1 },
		{ 0x100000000, 0xffffffff },
	};

	(void)state;
	for (size_t i = 0; i < 2 * NELEM(pairs); i++) {
		AUTO(buf_wipe) struct buf entries = { .max = LIST_MAX };
		AUTO(buf_wipe) struct buf tbs = { .max = LIST_MAX };
		bool back = i % 2;
		const uint64_t *n = pairs[i / 2];
		struct crl_entry a = entry_of(n[back], NOW, 1),
				 b = entry_of(n[!back], NOW, 1);
		struct crl_head h = head_of(NOW, false);

		b.serial.b[SERIAL_SIZE - 1] ^= 1;
		assert_int_equal(crl_entry_put(&entries, &a), OK);
		assert_int_equal(crl_entry_put(&entries, &b), OK);
		tbs_of(&tbs, &h, &entries);
		assert_int_equal(read_whole(tbs.p, tbs.len),
				 back && n[0] != n[1] ? OK : ERR_INVALID);
	}
}

static void test_wrong_entries_are_not_written(void **state)
{
	static const unsigned reasons[] = { 7, 8, 11, 256 };
	AUTO(buf_wipe) struct buf b = { .max = LIST_MAX };
	struct crl_entry good = entry_of(1, NOW, 0), e;

	(void)state;
	for (size_t i = 0; i < NELEM(reasons); i++) {
		e = good;
		e.reason = reasons[i];
		assert_int_equal(crl_entry_put(&b, &e), ERR_INVALID);
		assert_int_equal(crl_entry_size(&e), 0);
	}
	e = good;
	e.at = -1;
	assert_int_equal(crl_entry_put(&b, &e), ERR_INVALID);
	e.at = 253402300800;
	assert_int_equal(crl_entry_put(&b, &e), ERR_INVALID);
	e = good;
	e.serial.b[0] = 0;
	assert_int_equal(crl_entry_put(&b, &e), ERR_INVALID);
	e.serial.b[0] = 0x80;
	assert_int_equal(crl_entry_put(&b, &e), ERR_INVALID);
	assert_int_equal(b.len, 0);
}

static void test_wrong_heads_are_not_written(void **state)
{
	AUTO(buf_wipe) struct buf b = { .max = LIST_MAX };
	char url[URI_MAX + 2];
	struct crl_head h = head_of(NOW, true);

	(void)state;
	h.next_update = h.this_update;
	assert_int_equal(crl_head_put(&b, &h, 0), ERR_INVALID);
	h = head_of(NOW, true);
	h.authority_key.n = 19;
	assert_int_equal(crl_head_put(&b, &h, 0), ERR_INVALID);
	h = head_of(NOW, true);
	h.issuer = (struct dn){ .domain = { .p = NULL } };
	assert_int_equal(crl_head_put(&b, &h, 0), ERR_INVALID);
	h = head_of(NOW, true);
	h.point = span_str("http://a b/");
	assert_int_equal(crl_head_put(&b, &h, 0), ERR_INVALID);
	memset(url, 'u', sizeof url);
	h.point = span_of(url, URI_MAX + 1);
	assert_int_equal(crl_head_put(&b, &h, 0), ERR_INVALID);
	h.point.n = URI_MAX;
	assert_int_equal(crl_head_put(&b, &h, 0), OK);
	assert_int_equal(crl_head_put(&b, &h, CRL_SIZE_MAX), ERR_TOO_LARGE);
	assert_int_equal(crl_head_put(&b, &h, UINT64_MAX), ERR_TOO_LARGE);
}

/* Told, not required: a busy machine is no fault. */
static void test_tells_what_a_million_costs(void **state)
{
	enum {
		COUNT = 1000000,
		PIECE = 64 << 10
	};
	AUTO(buf_wipe) struct buf entries = { .max = LIST_MAX };
	AUTO(buf_wipe) struct buf tbs = { .max = LIST_MAX };
	AUTO(crl_reader_free) struct crl_reader *r = NULL;
	struct crl_head h = head_of(NOW, true);
	struct span issuer;
	uint64_t t, count;

	(void)state;
	assert_int_equal(buf_reserve(&entries, (size_t)COUNT * CRL_ENTRY_MAX),
			 OK);
	memset(entries.p, 0, entries.cap);
	t = clock_boot();
	for (unsigned i = 1; i <= COUNT; i++) {
		struct crl_entry e = entry_of(i, NOW - i, i % 2);

		assert_true(crl_entry_put(&entries, &e) == OK);
	}
	print_message("an entry written: %llu ns\n",
		      (unsigned long long)(clock_boot() - t) / COUNT);
	tbs_of(&tbs, &h, &entries);
	r = crl_reader_new(3, tbs.len);
	t = clock_boot();
	for (size_t at = 0; at < tbs.len; at += PIECE)
		assert_true(crl_reader_add(r, tbs.p + at,
					   MIN(PIECE, tbs.len - at),
					   NULL) == OK);
	assert_int_equal(crl_reader_end(r, &h, &issuer, &count, NULL), OK);
	print_message("an entry read: %llu ns\n",
		      (unsigned long long)(clock_boot() - t) / COUNT);
	assert_int_equal(count, COUNT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_written_is_read),
		cmocka_unit_test(test_every_cut_is_refused),
		cmocka_unit_test(test_pieces_change_nothing),
		cmocka_unit_test(test_wrong_lists_are_refused),
		cmocka_unit_test(test_lists_by_hand),
		cmocka_unit_test(test_a_cut_entry_at_the_end_is_refused),
		cmocka_unit_test(test_large_heads_and_tails_are_refused),
		cmocka_unit_test(test_numbers_must_ascend),
		cmocka_unit_test(test_wrong_entries_are_not_written),
		cmocka_unit_test(test_wrong_heads_are_not_written),
		cmocka_unit_test(test_tells_what_a_million_costs),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
