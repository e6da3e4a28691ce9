/* lib/httpdate: the one text of a moment, as libc writes it, and no other. */
#include "lib/httpdate.h"

#include "tests/unit/unit.h"

static void test_the_example_of_the_rfc(void **state)
{
	static const char text[] = "Sun, 06 Nov 1994 08:49:37 GMT";
	char out[HTTPDATE_LEN + 1];
	int64_t t = 0;

	(void)state;
	httpdate_format(784111777, out);
	assert_string_equal(out, text);
	assert_int_equal(httpdate_parse(text, strlen(text), &t), OK);
	assert_int_equal(t, 784111777);
}

static void test_agrees_with_libc(void **state)
{
	uint64_t seed = unit_seed();

	(void)state;
	for (int i = 0; i < 20000; i++) {
		/* years 0000 to 9999 */
		int64_t t =
			(int64_t)unit_below(&seed, 315569520000u) - 62167219200;
		char out[HTTPDATE_LEN + 1], want[64];
		time_t at = t;
		struct tm tm;
		int64_t back = 0;

		assert_non_null(gmtime_r(&at, &tm));
		/* strftime's %Y does not pad */
		strftime(want, sizeof want, "%a, %d %b ____ %T GMT", &tm);
		snprintf(out, sizeof out, "%04u",
			 ((unsigned)tm.tm_year + 1900u) % 10000);
		memcpy(strstr(want, "____"), out, 4);
		httpdate_format(t, out);
		assert_string_equal(out, want);
		assert_int_equal(httpdate_parse(out, strlen(out), &back), OK);
		assert_int_equal(back, t);
	}
}

static void test_everything_else_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"0",
		"Mon, 06 Nov 1994 08:49:37 GMT",  /* it was a Sunday */
		"Sun, 6 Nov 1994 08:49:37 GMT",   /* */
		"Sun,  6 Nov 1994 08:49:37 GMT",  /* */
		"Sun, 06 Nov 1994 08:49:37 UTC",  /* what cfssl's sends */
		"Sun, 06 Nov 1994 08:49:37 +000", /* */
		"sun, 06 nov 1994 08:49:37 gmt",  /* */
		"Sun, 06 Nov 1994 24:49:37 GMT",  /* */
		"Sun, 06 Nov 1994 08:60:37 GMT",  /* */
		"Sat, 31 Dec 2016 23:59:60 GMT",  /* a leap second */
		"Wed, 29 Feb 2023 00:00:00 GMT",  /* no such day */
		"Thu, 00 Nov 1994 08:49:37 GMT",  /* */
		"Sun, 06 Nov 199/ 08:49:37 GMT",  /* */
		"Sun, 06 Nov 1994 08:49:3: GMT",  /* 3: would be 40 */
		"Sunday, 06-Nov-94 08:49:37 GMT", /* RFC 850 */
		"Sun Nov  6 08:49:37 1994",       /* asctime */
	};
	int64_t t = 7;

	(void)state;
	for (size_t i = 0; i < NELEM(bad); i++)
		assert_int_equal(httpdate_parse(bad[i], strlen(bad[i]), &t),
				 ERR_INVALID);
	assert_int_equal(t, 7);
}

static void test_every_cut_and_change_is_refused(void **state)
{
	static const char text[] = "Thu, 31 Dec 2026 23:59:59 GMT";
	char copy[sizeof text], again[sizeof text];
	int64_t t, want = 0;

	(void)state;
	assert_int_equal(httpdate_parse(text, strlen(text), &want), OK);
	for (size_t i = 0; i < strlen(text); i++)
		assert_int_equal(httpdate_parse(text, i, &t), ERR_INVALID);
	for (size_t i = 0; i < strlen(text); i++) {
		for (int c = 0; c < 256; c++) {
			memcpy(copy, text, sizeof text);
			copy[i] = (char)c;
			if (copy[i] == text[i] ||
			    httpdate_parse(copy, strlen(text), &t) != OK)
				continue;
			/* another moment, and this is its one text */
			httpdate_format(t, again);
			assert_string_equal(again, copy);
			assert_int_not_equal(t, want);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_example_of_the_rfc),
		cmocka_unit_test(test_agrees_with_libc),
		cmocka_unit_test(test_everything_else_is_refused),
		cmocka_unit_test(test_every_cut_and_change_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
