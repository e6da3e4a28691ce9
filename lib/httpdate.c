/* Used by gate; holds nothing. */
#include "lib/httpdate.h"

#include "lib/clock.h"

#include <string.h>

static const char DAYS[7][4] = {
	"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"
};
static const char MONTHS[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
				    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

static void put2(char *at, int v)
{
	at[0] = (char)('0' + v / 10 % 10);
	at[1] = (char)('0' + v % 10);
}

void httpdate_format(int64_t t, char out[HTTPDATE_LEN + 1])
{
	struct civil c;

	clock_civil(t, &c);
	memcpy(out, "___, __ ___ ____ __:__:__ GMT", HTTPDATE_LEN + 1);
	memcpy(out, DAYS[c.weekday], 3);
	put2(out + 5, c.day);
	memcpy(out + 8, MONTHS[c.month - 1], 3);
	put2(out + 12, c.year / 100);
	put2(out + 14, c.year % 100);
	put2(out + 17, c.hour);
	put2(out + 20, c.minute);
	put2(out + 23, c.second);
}

/* Garbage gives some number; the text made of it then differs from the one read. */
static int get2(const char *at)
{
	return (at[0] - '0') * 10 + (at[1] - '0');
}

static int month_of(const char *at)
{
	for (int i = 0; i < 12; i++)
		if (!memcmp(at, MONTHS[i], 3))
			return i + 1;
	return 0;
}

enum err httpdate_parse(const char *text, size_t len, int64_t *t)
{
	char again[HTTPDATE_LEN + 1];
	struct civil c;
	int64_t v;

	if (len != HTTPDATE_LEN)
		return ERR_INVALID;
	c = (struct civil){
		.year = get2(text + 12) * 100 + get2(text + 14),
		.month = month_of(text + 8),
		.day = get2(text + 5),
		.hour = get2(text + 17),
		.minute = get2(text + 20),
		.second = get2(text + 23),
	};
	TRY(clock_from_civil(&c, &v));
	httpdate_format(v, again);
	if (memcmp(text, again, HTTPDATE_LEN) != 0)
		return ERR_INVALID;
	*t = v;
	return OK;
}
