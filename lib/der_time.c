/* The times of DER: UTCTime and GeneralizedTime as RFC 5280 4.1.2.5 narrows them
 * (seconds, Z, no fraction), to and from seconds since 1970 without libc's time
 * zones. Holds nothing. */
#include "lib/der.h"

enum {
	DAY = 86400,
	UTC_FIRST_YEAR = 1950, /* UTCTime has two digits of the year */
	UTC_LAST_YEAR = 2049,
	YEAR_MAX = 9999,
	DAYS_TO_1970 = 719468, /* from 0000-03-01 */
	ERA_YEARS = 400,
	ERA_DAYS = 146097,
	UTC_TEXT = 13,  /* YYMMDDHHMMSSZ */
	TIME_TEXT = 15, /* YYYYMMDDHHMMSSZ */
};

struct date {
	int64_t year;
	unsigned month, day, hour, minute, second;
};

static bool leap(int64_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static unsigned month_days(int64_t year, unsigned month)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30,
					31, 31, 30, 31, 30, 31 };

	return days[month - 1] + (month == 2 && leap(year) ? 1u : 0);
}

/* Years counted from March have the leap day at their end, so that the months
 * before it follow one formula: 153 days in five of them. */
static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - ERA_YEARS + 1) / ERA_YEARS;
	int64_t of_era = y - era * ERA_YEARS;
	int64_t from_march = (month + 9) % 12;
	int64_t of_year = (153 * from_march + 2) / 5 + day - 1;

	return era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 +
	       of_year - DAYS_TO_1970;
}

static struct date date_of(int64_t seconds)
{
	int64_t days = seconds / DAY, rest = seconds % DAY;
	int64_t z, era, doe, yoe, doy, march;
	struct date d;

	if (rest < 0) {
		rest += DAY;
		days--;
	}
	z = days + DAYS_TO_1970;
	era = (z >= 0 ? z : z - ERA_DAYS + 1) / ERA_DAYS;
	doe = z - era * ERA_DAYS;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	march = (5 * doy + 2) / 153;
	d.day = (unsigned)(doy - (153 * march + 2) / 5 + 1);
	d.month = (unsigned)(march < 10 ? march + 3 : march - 9);
	d.year = yoe + era * ERA_YEARS + (d.month <= 2 ? 1 : 0);
	d.hour = (unsigned)(rest / 3600);
	d.minute = (unsigned)(rest / 60 % 60);
	d.second = (unsigned)(rest % 60);
	return d;
}

/* count decimal digits, low..high. */
static enum err read_digits(struct rd *r, size_t count, unsigned low,
			    unsigned high, unsigned *v)
{
	unsigned x = 0;
	uint8_t c;

	for (size_t i = 0; i < count; i++) {
		TRY(rd_u8(r, &c));
		if (c < '0' || c > '9')
			return ERR_INVALID;
		x = 10 * x + (c - '0');
	}
	if (x < low || x > high)
		return ERR_INVALID;
	*v = x;
	return OK;
}

/* What follows the year, to the end of the value. */
static enum err read_rest(struct rd *r, struct date *d, int64_t *seconds)
{
	uint8_t z;

	TRY(read_digits(r, 2, 1, 12, &d->month));
	TRY(read_digits(r, 2, 1, month_days(d->year, d->month), &d->day));
	TRY(read_digits(r, 2, 0, 23, &d->hour));
	TRY(read_digits(r, 2, 0, 59, &d->minute));
	TRY(read_digits(r, 2, 0, 59, &d->second));
	TRY(rd_u8(r, &z));
	if (z != 'Z')
		return ERR_INVALID;
	TRY(rd_end(r));
	*seconds = days_of(d->year, d->month, d->day) * DAY + d->hour * 3600 +
		   d->minute * 60 + d->second;
	return OK;
}

static enum err get_utc(struct rd *r, int64_t *seconds)
{
	struct rd at = *r, body;
	struct date d = { 0 };
	unsigned year;

	TRY(der_get(&at, DER_UTC_TIME, &body));
	TRY(read_digits(&body, 2, 0, 99, &year));
	d.year = year < 50 ? 2000 + year : 1900 + year;
	TRY(read_rest(&body, &d, seconds));
	*r = at;
	return OK;
}

static enum err get_general(struct rd *r, unsigned first_year, int64_t *seconds)
{
	struct rd at = *r, body;
	struct date d = { 0 };
	unsigned year;

	TRY(der_get(&at, DER_TIME, &body));
	TRY(read_digits(&body, 4, first_year, YEAR_MAX, &year));
	d.year = year;
	TRY(read_rest(&body, &d, seconds));
	*r = at;
	return OK;
}

enum err der_time(struct rd *r, int64_t *seconds)
{
	if (der_is(r, DER_UTC_TIME))
		return get_utc(r, seconds);
	return get_general(r, UTC_LAST_YEAR + 1, seconds);
}

enum err der_gtime(struct rd *r, int64_t *seconds)
{
	return get_general(r, 0, seconds);
}

static void write_pair(uint8_t *at, unsigned v)
{
	at[0] = (uint8_t)('0' + v / 10 % 10);
	at[1] = (uint8_t)('0' + v % 10);
}

/* Both forms end alike; UTCTime leaves out the century. */
static enum err put_date(struct buf *b, const struct date *d, bool utc)
{
	uint8_t text[TIME_TEXT];
	size_t skip = utc ? TIME_TEXT - UTC_TEXT : 0;

	write_pair(text, (unsigned)d->year / 100);
	write_pair(text + 2, (unsigned)d->year % 100);
	write_pair(text + 4, d->month);
	write_pair(text + 6, d->day);
	write_pair(text + 8, d->hour);
	write_pair(text + 10, d->minute);
	write_pair(text + 12, d->second);
	text[14] = 'Z';
	return der_put(b, utc ? DER_UTC_TIME : DER_TIME, text + skip,
		       sizeof text - skip);
}

/* False past what four digits of a year can say. */
static bool sayable(int64_t seconds)
{
	return seconds >= days_of(0, 1, 1) * DAY &&
	       seconds < days_of(YEAR_MAX + 1, 1, 1) * DAY;
}

enum err der_put_time(struct buf *b, int64_t seconds)
{
	struct date d;

	if (!sayable(seconds))
		return ERR_INVALID;
	d = date_of(seconds);
	if (d.year < UTC_FIRST_YEAR)
		return ERR_INVALID;
	return put_date(b, &d, d.year <= UTC_LAST_YEAR);
}

enum err der_put_gtime(struct buf *b, int64_t seconds)
{
	struct date d;

	if (!sayable(seconds))
		return ERR_INVALID;
	d = date_of(seconds);
	return put_date(b, &d, false);
}
