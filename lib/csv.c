/* Used by every process; holds nothing. */
#include "lib/csv.h"

#include <string.h>

struct csv csv_of(struct span value)
{
	return (struct csv){ .left = value, .more = true };
}

bool csv_next(struct csv *v, struct span *part)
{
	struct rd r = rd_from(v->left.p, v->left.n);
	const uint8_t *comma;
	size_t n = v->left.n;

	if (!v->more)
		return false;
	comma = n ? memchr(v->left.p, ',', n) : NULL;
	if (comma)
		n = (size_t)(comma - v->left.p);
	part->n = n;
	ENSURE(rd_bytes(&r, n, &part->p) == OK);
	v->more = comma != NULL;
	if (comma)
		ENSURE(rd_bytes(&r, 1, &comma) == OK);
	v->left = (struct span){ .p = r.p, .n = rd_left(&r) };
	return true;
}
