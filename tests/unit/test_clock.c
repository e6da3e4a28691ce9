/* lib/clock.c: the clocks, and times as text. */
#include "lib/clock.h"

#include "tests/unit/unit.h"

static void same(int64_t t, const char *text)
{
	char got[CLOCK_TEXT];
	int64_t back = -1;

	clock_format(t, got);
	assert_string_equal(got, text);
	assert_int_equal(clock_parse(text, strlen(text), &back), OK);
	assert_true(back == t);
}

static void test_known_times(void **state)
{
	(void)state;
	same(0, "1970-01-01T00:00:00Z");
	same(-1, "1969-12-31T23:59:59Z");
	same(951782400, "2000-02-29T00:00:00Z");
	same(1440938160, "2015-08-30T12:36:00Z");
	same(4107542400, "2100-03-01T00:00:00Z");
	same(-62167219200, "0000-01-01T00:00:00Z");
	same(253402300799, "9999-12-31T23:59:59Z");
}

static void test_far_times_stay_in_four_digits(void **state)
{
	char text[CLOCK_TEXT];

	(void)state;
	clock_format(INT64_MAX, text);
	assert_string_equal(text, "9999-12-31T23:59:59Z");
	clock_format(INT64_MIN, text);
	assert_string_equal(text, "0000-01-01T00:00:00Z");
}

static void test_basic_form(void **state)
{
	int64_t t;

	(void)state;
	assert_int_equal(clock_parse_basic("20150830T123600Z", 16, &t), OK);
	assert_true(t == 1440938160);
	for (size_t n = 0; n < 16; n++)
		assert_int_equal(clock_parse_basic("20150830T123600Z", n, &t),
				 ERR_INVALID);
}

static void test_refusals(void **state)
{
	static const char *const bad[] = {
		"2015-02-29T00:00:00Z",     "1900-02-29T00:00:00Z",
		"2015-13-01T00:00:00Z",     "2015-00-01T00:00:00Z",
		"2015-01-00T00:00:00Z",     "2015-04-31T00:00:00Z",
		"2015-01-01T24:00:00Z",     "2015-01-01T00:60:00Z",
		"2015-01-01T00:00:60Z",     "2015-01-01 00:00:00Z",
		"2015-01-01T00:00:00z",     "2015-01-01T00:00:00+00:00",
		"2015-01-01T00:00:00.000Z", "+015-01-01T00:00:00Z",
		" 015-01-01T00:00:00Z",     "2015-01-01T00:00:00ZZ",
		"20150830T123600Z",         "",
	};
	static const char good[] = "2015-08-30T12:36:00Z";
	int64_t t = 7;

	(void)state;
	for (size_t i = 0; i < NELEM(bad); i++)
		if (clock_parse(bad[i], strlen(bad[i]), &t) != ERR_INVALID)
			fail_msg("'%s' was taken", bad[i]);
	for (size_t n = 0; n < strlen(good); n++)
		assert_int_equal(clock_parse(good, n, &t), ERR_INVALID);
	assert_true(t == 7);
}

static void test_every_day_agrees_with_libc(void **state)
{
	uint64_t rnd = unit_seed();

	(void)state;
	for (int i = 0; i < 50000; i++) {
		int64_t t = (int64_t)(unit_next(&rnd) % 315569519999u) -
			    62167219200;
		time_t lt = (time_t)t;
		char want[64];
		struct tm tm;

		gmtime_r(&lt, &tm);
		(void)snprintf(want, sizeof want,
			       "%04d-%02d-%02dT%02d:%02d:%02dZ",
			       tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
			       tm.tm_hour, tm.tm_min, tm.tm_sec);
		same(t, want);
	}
}

static void test_clocks_advance(void **state)
{
	uint64_t boot = clock_boot();
	struct timespec before, after; /* not time(), which is a tick behind */
	int64_t wall;

	(void)state;
	assert_true(clock_boot() >= boot);
	assert_int_equal(clock_gettime(CLOCK_REALTIME, &before), 0);
	wall = clock_wall();
	assert_int_equal(clock_gettime(CLOCK_REALTIME, &after), 0);
	assert_true(before.tv_sec <= wall && wall <= after.tv_sec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_times),
		cmocka_unit_test(test_far_times_stay_in_four_digits),
		cmocka_unit_test(test_basic_form),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_every_day_agrees_with_libc),
		cmocka_unit_test(test_clocks_advance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
