/* Worker: the one time format of SigV4, strictly. */
#include "modules/aws-sigv4/sigv4.h"

enum {
	DAY_SECONDS = 86400
};

/* Days from 1970-01-01 to a day of the Gregorian calendar; the year begins in
 * March here, so that the leap day is its last. */
static int64_t days_to(int64_t year, int64_t month, int64_t day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t of_era = y - era * 400;
	int64_t of_year =
		(153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 +
	       of_year - 719468;
}

static int64_t month_days(int64_t year, int64_t month)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30,
					31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

/* The number in n digits at `at`, which are known to be there; -1 if not. */
static int64_t digits(struct str s, size_t at, size_t n)
{
	int64_t v = 0;

	for (size_t i = at; i < at + n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return -1;
		v = v * 10 + (s.p[i] - '0');
	}
	return v;
}

bool stamp_parse(struct str s, int64_t *t)
{
	int64_t year, month, day, hour, minute, second;

	if (s.n != STAMP || s.p[8] != 'T' || s.p[15] != 'Z')
		return false;
	year = digits(s, 0, 4);
	month = digits(s, 4, 2);
	day = digits(s, 6, 2);
	hour = digits(s, 9, 2);
	minute = digits(s, 11, 2);
	second = digits(s, 13, 2);
	if (year < 0 || month < 1 || month > 12 || day < 1 ||
	    day > month_days(year, month) || hour < 0 || hour > 23 ||
	    minute < 0 || minute > 59 || second < 0 || second > 59)
		return false;
	*t = days_to(year, month, day) * DAY_SECONDS + hour * 3600 +
	     minute * 60 + second;
	return true;
}

static void put_digits(char *at, int64_t v, int n)
{
	for (int i = n - 1; i >= 0; i--) {
		at[i] = (char)('0' + v % 10);
		v /= 10;
	}
}

bool stamp_format(int64_t t, char text[STAMP + 1])
{
	int64_t days = (t >= 0 ? t : t - (DAY_SECONDS - 1)) / DAY_SECONDS;
	int64_t rest = t - days * DAY_SECONDS;
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t of_era = z - era * 146097;
	int64_t year =
		(of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) /
		365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	int64_t m = (5 * of_year + 2) / 153;
	int64_t month = m < 10 ? m + 3 : m - 9;

	year += era * 400 + (month <= 2);
	if (year < 0 || year > 9999)
		return false;
	put_digits(text, year, 4);
	put_digits(text + 4, month, 2);
	put_digits(text + 6, of_year - (153 * m + 2) / 5 + 1, 2);
	text[8] = 'T';
	put_digits(text + 9, rest / 3600, 2);
	put_digits(text + 11, rest / 60 % 60, 2);
	put_digits(text + 13, rest % 60, 2);
	text[15] = 'Z';
	text[16] = 0;
	return true;
}
