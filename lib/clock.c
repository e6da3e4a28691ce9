/* Used by every process; holds nothing. Dates are proleptic Gregorian; the day
 * arithmetic counts years from March, so that the leap day comes last. */
#include "lib/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
	DAY = 86400,
	ERA_DAYS = 146097, /* days in 400 years */
};

static const int64_t clock_least = -62167219200; /* 0000-01-01T00:00:00Z */
static const int64_t clock_most = 253402300799;  /* 9999-12-31T23:59:59Z */

static uint64_t clock_ns(clockid_t id)
{
	struct timespec t;

	ENSURE(clock_gettime(id, &t) == 0);
	return (uint64_t)t.tv_sec * CLOCK_SECOND + (uint64_t)t.tv_nsec;
}

uint64_t clock_boot(void)
{
	return clock_ns(CLOCK_BOOTTIME);
}

uint64_t clock_wall_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

int64_t clock_wall(void)
{
	return (int64_t)(clock_wall_ns() / CLOCK_SECOND);
}

/* Days since 1970-01-01. */
static int64_t days_from_civil(const struct civil *c)
{
	int64_t y = c->year - (c->month <= 2);
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t month = (c->month + 9) % 12; /* March is 0 */
	int64_t day_of_year = (153 * month + 2) / 5 + c->day - 1;

	return era * ERA_DAYS + year_of_era * 365 + year_of_era / 4 -
	       year_of_era / 100 + day_of_year - 719468;
}

static void civil_from_days(int64_t days, struct civil *c)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - (ERA_DAYS - 1)) / ERA_DAYS;
	int64_t d = z - era * ERA_DAYS;
	int64_t y = (d - d / 1460 + d / 36524 - d / (ERA_DAYS - 1)) / 365;
	int64_t day_of_year = d - (365 * y + y / 4 - y / 100);
	int64_t month = (5 * day_of_year + 2) / 153;

	c->day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
	c->month = (int)(month < 10 ? month + 3 : month - 9);
	c->year = (int)(y + era * 400 + (c->month <= 2));
}

void clock_civil(int64_t t, struct civil *c)
{
	int64_t days, left;

	if (t < clock_least)
		t = clock_least;
	if (t > clock_most)
		t = clock_most;
	days = (t >= 0 ? t : t - (DAY - 1)) / DAY;
	left = t - days * DAY;
	civil_from_days(days, c);
	c->hour = (int)(left / 3600);
	c->minute = (int)(left / 60 % 60);
	c->second = (int)(left % 60);
	c->weekday = (int)((days % 7 + 11) % 7);
}

void clock_format(int64_t t, char text[CLOCK_TEXT])
{
	struct civil c;

	clock_civil(t, &c);
	(void)snprintf(text, CLOCK_TEXT, "%04u-%02u-%02uT%02u:%02u:%02uZ",
		       (unsigned)c.year % 10000, (unsigned)c.month % 100,
		       (unsigned)c.day % 100, (unsigned)c.hour % 100,
		       (unsigned)c.minute % 100, (unsigned)c.second % 100);
}

/* Reads text against a form in which Y M D h m s stand for a digit of that field
 * and anything else for itself. */
static bool clock_read(const char *text, const char *form, struct civil *c)
{
	for (size_t i = 0; form[i]; i++) {
		int *field = form[i] == 'Y'   ? &c->year
			     : form[i] == 'M' ? &c->month
			     : form[i] == 'D' ? &c->day
			     : form[i] == 'h' ? &c->hour
			     : form[i] == 'm' ? &c->minute
			     : form[i] == 's' ? &c->second
					      : NULL;

		if (!field && text[i] != form[i])
			return false;
		if (!field)
			continue;
		if (text[i] < '0' || text[i] > '9')
			return false;
		*field = *field * 10 + (text[i] - '0');
	}
	return true;
}

static int month_days(const struct civil *c)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30,
					31, 31, 30, 31, 30, 31 };
	bool leap =
		c->year % 4 == 0 && (c->year % 100 != 0 || c->year % 400 == 0);

	return days[c->month - 1] + (c->month == 2 && leap);
}

enum err clock_from_civil(const struct civil *c, int64_t *t)
{
	if (c->year < 0 || c->year > 9999 || c->month < 1 || c->month > 12 ||
	    c->day < 1 || c->day > month_days(c))
		return ERR_INVALID;
	if (c->hour < 0 || c->hour > 23 || c->minute < 0 || c->minute > 59 ||
	    c->second < 0 || c->second > 59)
		return ERR_INVALID;
	*t = days_from_civil(c) * DAY + c->hour * 3600 + c->minute * 60 +
	     c->second;
	return OK;
}

static enum err clock_parse_form(const char *text, size_t len, const char *form,
				 int64_t *t)
{
	struct civil c = { .year = 0 };

	if (len != strlen(form) || !clock_read(text, form, &c))
		return ERR_INVALID;
	return clock_from_civil(&c, t);
}

enum err clock_parse(const char *text, size_t len, int64_t *t)
{
	return clock_parse_form(text, len, "YYYY-MM-DDThh:mm:ssZ", t);
}

enum err clock_parse_basic(const char *text, size_t len, int64_t *t)
{
	return clock_parse_form(text, len, "YYYYMMDDThhmmssZ", t);
}
