/* Used by every gate; holds nothing. */
#include "lib/http_date.h"

#include "lib/clock.h"
#include "lib/num.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char days[7][4] = {
	"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"
};
static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
				    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

#define HTTP_DATE_LAST 253402300799ll /* 9999-12-31T23:59:59Z */

void http_date_format(int64_t t, char out[HTTP_DATE])
{
	time_t at = (time_t)MIN(MAX(t, 0), HTTP_DATE_LAST);
	struct tm tm;
	/* the compiler does not know how small the fields are */
	char text[96];

	ENSURE(gmtime_r(&at, &tm) != NULL);
	(void)snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT",
		       days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon],
		       tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
	memcpy(out, text, HTTP_DATE - 1);
	out[HTTP_DATE - 1] = 0;
}

enum err http_date_parse(const char *text, int64_t *t)
{
	char iso[CLOCK_TEXT], again[HTTP_DATE];
	int64_t at;
	int month = 0;

	if (strlen(text) != HTTP_DATE - 1)
		return ERR_INVALID;
	while (month < 12 && memcmp(months[month], text + 8, 3))
		month++;
	if (month == 12)
		return ERR_INVALID;
	(void)snprintf(iso, sizeof iso, "%.4s-%02d-%.2sT%.8sZ", text + 12,
		       month + 1, text + 5, text + 17);
	TRY(clock_parse(iso, strlen(iso), &at));
	/* the weekday, the blanks, GMT: whatever does not format to itself */
	http_date_format(at, again);
	if (strcmp(again, text))
		return ERR_INVALID;
	*t = at;
	return OK;
}

bool http_etag_in(const char *list, const char *tag)
{
	size_t n = strlen(tag);

	for (;;) {
		list += strspn(list, " \t,");
		if (!*list)
			return false;
		if (*list == '*')
			return true;
		if (!strncmp(list, "W/", 2))
			list += 2;
		if (!strncmp(list, tag, n) && strchr(" \t,", list[n]))
			return true;
		/* to the end of this one, whose quotes may hold commas */
		if (*list == '"') {
			list = strchr(list + 1, '"');
			if (!list)
				return false;
			list++;
		} else {
			list += strcspn(list, ",");
		}
	}
}
