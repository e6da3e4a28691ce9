/* Facts that have to be read before they are judged: paths, queries, times. Used by
 * vault and the command; pure functions; holds no secret. */
#include "lib/grant_fact.h"

#include "lib/clock.h"
#include "lib/glob.h"
#include "lib/num.h"

#include <string.h>

enum {
	NUMBER_DIGITS_MAX = 12
};

static const int64_t time_most = 253402300799; /* end of year 9999 */

/* Paths that a service might read as another path. */

static bool is_escape(const uint8_t *p, size_t left, const char *digits)
{
	return left >= 2 && p[0] == (uint8_t)digits[0] &&
	       (p[1] | 0x20) == (uint8_t)(digits[1] | 0x20);
}

/* p is at a '%': an escaped '.', '/' or '\', however often the '%' is escaped. */
static bool escape_deceives(const uint8_t *p, size_t left)
{
	p++;
	left--;
	while (is_escape(p, left, "25")) {
		p += 2;
		left -= 2;
	}
	return is_escape(p, left, "2e") || is_escape(p, left, "2f") ||
	       is_escape(p, left, "5c");
}

static bool segment_deceives(const uint8_t *p, size_t n, bool last)
{
	return (n == 0 && !last) || (n == 1 && p[0] == '.') ||
	       (n == 2 && p[0] == '.' && p[1] == '.');
}

bool grant_path_deceives(const uint8_t *p, size_t len)
{
	size_t start = 1; /* of a segment; the path begins with '/' */

	if (!len || p[0] != '/')
		return true;
	for (size_t i = 0; i < len; i++)
		if (p[i] == '\\' ||
		    (p[i] == '%' && escape_deceives(p + i, len - i)))
			return true;
	for (size_t i = 1; i <= len; i++) {
		if (i < len && p[i] != '/')
			continue;
		if (segment_deceives(p + start, i - start, i == len))
			return true;
		start = i + 1;
	}
	return false;
}

/* Queries: as signed, NAME=VALUE joined by '&', percent-encoded. */

static int hex(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes n bytes in place; false if an escape is not one. */
static bool percent_decode(char *p, size_t n, size_t *len)
{
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		int hi, lo;

		if (p[i] != '%') {
			p[k++] = p[i];
			continue;
		}
		hi = i + 2 < n ? hex((uint8_t)p[i + 1]) : -1;
		lo = i + 2 < n ? hex((uint8_t)p[i + 2]) : -1;
		if (hi < 0 || lo < 0)
			return false;
		p[k++] = (char)(hi << 4 | lo);
		i += 2;
	}
	*len = k;
	return true;
}

/* item: NAME or NAME=GLOB */
static bool query_item_fits(struct piece item, const char *name,
			    size_t name_len, const char *value,
			    size_t value_len)
{
	const char *eq = memchr(item.p, '=', item.len);
	size_t n = eq ? (size_t)(eq - item.p) : item.len;

	if (n != name_len || memcmp(item.p, name, n) != 0)
		return false;
	return !eq ||
	       glob_match(GLOB_ANY, eq + 1, item.len - n - 1, value, value_len);
}

/* One parameter, which is decoded where it stands. */
static bool parameter_fits(struct span_set set, char *p, size_t n)
{
	char *eq = n ? memchr(p, '=', n) : NULL;
	size_t name_n = eq ? (size_t)(eq - p) : n, name_len, value_len = 0;
	char *value = eq ? eq + 1 : p;

	if (!percent_decode(p, name_n, &name_len) ||
	    (eq && !percent_decode(value, n - name_n - 1, &value_len)))
		return false;
	for (unsigned i = 0; i < set.count; i++)
		if (query_item_fits(set.item[i], p, name_len, value, value_len))
			return true;
	return false;
}

bool grant_query_fits(struct span_set set, const void *query, size_t len)
{
	AUTO(mem_free) char *copy = xmemdup(query, len);
	char *p = copy;
	size_t left = len;

	while (left) {
		char *end = memchr(p, '&', left);
		size_t n = end ? (size_t)(end - p) : left;

		if (!parameter_fits(set, p, n) || (end && n + 1 == left))
			return false;
		n += end != NULL;
		p += n;
		left -= n;
	}
	return true;
}

/* Seconds since the epoch, RFC 3339, or 20260102T030405Z. */
bool grant_time_read(const struct attr *a, int64_t *t)
{
	const char *p = (const char *)a->value;
	uint64_t v;

	if (clock_parse(p, a->len, t) == OK ||
	    clock_parse_basic(p, a->len, t) == OK)
		return true;
	if (a->len > NUMBER_DIGITS_MAX ||
	    num_u64(p, a->len, (uint64_t)time_most, &v) != OK)
		return false;
	*t = (int64_t)v;
	return true;
}
