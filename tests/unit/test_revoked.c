/* lib/revoked.c, revoked_list.c, ocsp_client.c: no part of a good answer, and no answer
 * with a byte changed, says anything. What a whole answer that lies gets: test_verifier.c. */
#include "tests/unit/verifier_world.h"

#include "lib/revoked.h"

static struct chain_root root;
static struct chain_ca *by;
static struct serial serial;
static const uint8_t nonce[REVOKED_NONCE] = "0123456789abcdef0123456789abcde";

static int begin(void **state)
{
	static const uint8_t tail[SERIAL_TAIL] = { 0xa5, 1, 2, 3, 4,  5,
						   6,    7, 8, 9, 10, 11 };
	struct fault f = { 0 };

	(void)ver_begin(state);
	serial_make(3, 77, tail, &serial);
	fault_ok(chain_root_take(&root, span_buf(&ca.root), &f), &f);
	fault_ok(chain_ca_new(&root, span_buf(&ca.issuing), world_now, &by, &f),
		 &f);
	return 0;
}

static int end(void **state)
{
	chain_ca_free(&by);
	chain_root_wipe(&root);
	return ver_end(state);
}

static enum err judge(const uint8_t *p, size_t n, struct revoked_answer *a)
{
	const struct revoked_about about = {
		.ca = by, .serial = span_of(serial.b, SERIAL_SIZE)
	};
	uint8_t *copy = xmemdup(p, n ? n : 1);
	struct fault f = { .text = "" };
	enum err e = revoked_ocsp_judge(&about, nonce, span_of(copy, n),
					clock_wall(), 60, a, &f);

	free(copy);
	assert_true(e == OK || (e == ERR_UNAVAILABLE && f.text[0]));
	return e;
}

/* To our own question, which the CA's side can read. */
static void answer(const struct lie *l, struct buf *out)
{
	const struct revoked_about about = {
		.ca = by, .serial = span_of(serial.b, SERIAL_SIZE)
	};
	AUTO(buf_wipe) struct buf question = { .max = OCSP_REQUEST_MAX };
	struct ocsp_request r;
	struct fault f = { 0 };

	assert_int_equal(revoked_ocsp_ask(&about, nonce, &question), OK);
	fault_ok(ocsp_request_parse(span_buf(&question), &r, &f), &f);
	assert_int_equal(r.count, 1);
	assert_true(span_equal(r.nonce, span_of(nonce, sizeof nonce)));
	assert_true(span_equal(r.id[0].serial, span_of(serial.b, SERIAL_SIZE)));
	ocsp_answer(&r, l, out);
}

static void test_an_answer_says_what_it_says(void **state)
{
	const struct lie good = { .age = 20 };
	const struct lie revoked = { .status = OCSP_REVOKED };
	AUTO(buf_wipe) struct buf a = { .max = OCSP_RESPONSE_MAX };
	AUTO(buf_wipe) struct buf b = { .max = OCSP_RESPONSE_MAX };
	struct revoked_answer said = { .revoked = true };

	(void)state;
	answer(&good, &a);
	assert_int_equal(judge(a.p, a.len, &said), OK);
	assert_false(said.revoked);
	assert_int_equal(said.age, 20);
	answer(&revoked, &b);
	assert_int_equal(judge(b.p, b.len, &said), OK);
	assert_true(said.revoked);
	assert_int_equal(said.revoked_at, world_now);
	assert_string_equal(revoked_reason(said.reason), "keyCompromise");
	assert_string_equal(revoked_reason(7), "unknown");
	assert_string_equal(revoked_reason(4000), "unknown");
}

static void test_a_part_of_an_answer_says_nothing(void **state)
{
	const struct lie good = { .age = 0 };
	AUTO(buf_wipe) struct buf a = { .max = OCSP_RESPONSE_MAX };
	struct revoked_answer said;

	(void)state;
	answer(&good, &a);
	for (size_t n = 0; n < a.len; n++)
		assert_int_equal(judge(a.p, n, &said), ERR_UNAVAILABLE);
	assert_int_equal(buf_u8(&a, 0), OK);
	assert_int_equal(judge(a.p, a.len, &said), ERR_UNAVAILABLE);
}

/* Each bit of each byte; a certificate that nobody looks at is not beside it. */
static void test_a_changed_answer_says_nothing(void **state)
{
	const struct lie good = { .signer = NULL };
	AUTO(buf_wipe) struct buf a = { .max = OCSP_RESPONSE_MAX };
	struct revoked_answer said;

	(void)state;
	answer(&good, &a);
	for (size_t i = 0; i < a.len; i++) {
		uint8_t bit = (uint8_t)(1u << i % 8);

		a.p[i] ^= bit;
		assert_int_equal(judge(a.p, a.len, &said), ERR_UNAVAILABLE);
		a.p[i] ^= bit;
	}
	assert_int_equal(judge(a.p, a.len, &said), OK);
}

static enum err take_after(uint64_t least, const uint8_t *p, size_t n,
			   struct revoked_list *l)
{
	uint8_t *copy = xmemdup(p, n ? n : 1);
	struct fault f = { .text = "" };
	enum err e = revoked_list_take(
		by, span_str("http://ca.corp.example:8080/crl/3"), 3, least,
		span_of(copy, n), clock_wall(), l, &f);

	free(copy);
	assert_true(e == OK || (e == ERR_UNAVAILABLE && f.text[0]));
	return e;
}

static enum err take(const uint8_t *p, size_t n, struct revoked_list *l)
{
	return take_after(7, p, n, l);
}

static void test_a_list_whole_or_not_at_all(void **state)
{
	const struct list want = { .number = 7,
				   .revoked = true,
				   .later = true };
	AUTO(revoked_list_wipe) struct revoked_list l = { 0 };
	AUTO(buf_wipe) struct buf b = { .max = 16384 };
	struct revoked_answer a;
	struct serial other;
	struct fault f;

	(void)state;
	list_make(&want, &b);
	for (size_t n = 0; n < b.len; n++)
		assert_int_equal(take(b.p, n, &l), ERR_UNAVAILABLE);
	for (size_t i = 0; i < b.len; i++) {
		uint8_t bit = (uint8_t)(1u << i % 8);

		b.p[i] ^= bit;
		assert_int_equal(take(b.p, b.len, &l), ERR_UNAVAILABLE);
		b.p[i] ^= bit;
	}
	assert_int_equal(take_after(8, b.p, b.len, &l), ERR_UNAVAILABLE);
	assert_int_equal(take(b.p, b.len, &l), OK);
	assert_int_equal(l.number, 7);
	assert_int_equal(revoked_list_judge(&l, span_of(serial.b, SERIAL_SIZE),
					    clock_wall(), &a, &f),
			 OK);
	assert_true(a.revoked);
	/* the same number, another serial: it is not that one */
	other = serial;
	other.b[SERIAL_SIZE - 1] ^= 1;
	assert_int_equal(revoked_list_judge(&l, span_of(other.b, SERIAL_SIZE),
					    clock_wall(), &a, &f),
			 OK);
	assert_false(a.revoked);
	assert_int_equal(revoked_list_judge(&l, span_of(serial.b, SERIAL_SIZE),
					    clock_wall() + 4000, &a, &f),
			 ERR_UNAVAILABLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_answer_says_what_it_says),
		cmocka_unit_test(test_a_part_of_an_answer_says_nothing),
		cmocka_unit_test(test_a_changed_answer_says_nothing),
		cmocka_unit_test(test_a_list_whole_or_not_at_all),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
