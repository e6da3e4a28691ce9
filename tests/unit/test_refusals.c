/* lib/refusals.c: whom the verifier refused: what is kept of it, and how often. */
#include "lib/clock.h"
#include "lib/refusals.h"

#include "tests/unit/grant_text.h"

static const uint64_t second = CLOCK_SECOND;

static unsigned said(struct refusals *r, unsigned n, uint64_t boot)
{
	unsigned yes = 0;

	while (n--)
		yes += refusals_may(r, boot);
	return yes;
}

static void test_a_flood_is_bounded(void **state)
{
	struct refusals r = { 0 };
	uint64_t t = 5 * second; /* soon after the boot */

	(void)state;
	assert_int_equal(said(&r, 3, t), 3);
	t = 1000 * second;
	assert_int_equal(said(&r, 5000, t), REFUSALS_BURST);
	assert_int_equal(r.held, 5000 - REFUSALS_BURST);
	for (unsigned i = 1; i <= 20; i++)
		assert_int_equal(said(&r, 10, t + i * second), 1);
	assert_int_equal(said(&r, 10, t + 20 * second + second / 2), 0);
	/* a quiet time gives the burst back, and no more */
	t += 3600 * second;
	assert_int_equal(said(&r, 5000, t), REFUSALS_BURST);
	assert_int_equal(r.total, 3 + 5000 + 200 + 10 + 5000);
}

static void test_soon_after_the_boot(void **state)
{
	struct refusals r = { 0 };

	(void)state;
	assert_int_equal(said(&r, 100, 0), 0);
	assert_int_equal(said(&r, 100, second), 1);
	assert_int_equal(said(&r, 100, 3 * second), 2);
}

static void formats(struct refusals *r, const char *in, const char *want)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	AUTO(attrs_wipe) struct attrs what = { 0 };
	AUTO(buf_wipe) struct buf b = { 0 };

	list(&a, in);
	attrs_init(&what);
	buf_init(&b, 4096);
	assert_int_equal(refusals_format(r, attrs_view(&a), &what), OK);
	assert_int_equal(attr_format_text(attrs_view(&what), &b), OK);
	assert_int_equal(buf_u8(&b, 0), OK);
	assert_string_equal((char *)b.p, want);
}

static void test_of_who_was_let_in_the_same_is_kept(void **state)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	AUTO(attrs_wipe) struct attrs what = { 0 };
	AUTO(buf_wipe) struct buf b = { 0 };

	(void)state;
	list(&a, "reason=why peer=10.0.0.1:5 serial=01ab event=run");
	attrs_init(&what);
	buf_init(&b, 4096);
	assert_int_equal(refusals_format_unchecked(attrs_view(&a), &what), OK);
	assert_int_equal(attr_format_text(attrs_view(&what), &b), OK);
	assert_int_equal(buf_u8(&b, 0), OK);
	assert_string_equal(
		(char *)b.p,
		"event=unchecked reason=why peer=10.0.0.1:5 serial=01ab");
}

static void test_what_is_kept(void **state)
{
	struct refusals r = { 0 };
	char in[512], want[512];

	(void)state;
	formats(&r,
		"error=denied reason=\"it is revoked\" peer=10.0.0.1:5 "
		"serial=01ab cert.o=web cert.ou=n1 cert.uid=x count=3 "
		"event=run subject=uid:0 outcome=allow",
		"event=refused error=denied reason=\"it is revoked\" "
		"peer=10.0.0.1:5 serial=01ab cert.o=web cert.ou=n1 cert.uid=x "
		"count=3");
	r.held = 9;
	formats(&r, "error=denied", "event=refused error=denied held=9");
	r.held = 0;
	(void)snprintf(in, sizeof in, "cert.o=%0400d", 0);
	(void)snprintf(want, sizeof want, "event=refused cert.o=%0*d",
		       REFUSALS_VALUE, 0);
	formats(&r, in, want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_flood_is_bounded),
		cmocka_unit_test(test_soon_after_the_boot),
		cmocka_unit_test(test_what_is_kept),
		cmocka_unit_test(test_of_who_was_let_in_the_same_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
