/* Vault: denials of the last second. Holds what their records say, no secret. */
#include "lib/audit_denial.h"

#include <stdlib.h>
#include <string.h>

/* FNV-1a: only a quick no; what counts is the comparison of the bytes. */
static uint32_t quick_hash(struct attr_view v)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < v.len; i++)
		h = (h ^ v.p[i]) * 16777619u;
	return h;
}

void denials_wipe(struct denials *d)
{
	for (unsigned i = 0; i < d->used; i++)
		mem_free(&d->at[i].what);
	d->used = 0;
}

struct denial *denials_find(struct denials *d, struct attr_view what,
			    uint64_t boot)
{
	uint32_t h = quick_hash(what);

	for (unsigned i = 0; i < d->used; i++) {
		struct denial *one = &d->at[i];

		if (one->what && one->hash == h && one->len == what.len &&
		    boot < one->until && !memcmp(one->what, what.p, what.len))
			return one;
	}
	return NULL;
}

struct denial *denials_add(struct denials *d, struct attr_view what,
			   uint64_t index, uint64_t until)
{
	unsigned i = 0;

	while (i < d->used && d->at[i].what)
		i++;
	if (i == DENIALS_MAX || !what.len || what.len > DENIAL_BYTES)
		return NULL;
	if (i == d->used)
		d->used++;
	d->at[i] = (struct denial){ .what = xmemdup(what.p, what.len),
				    .len = (uint32_t)what.len,
				    .hash = quick_hash(what),
				    .index = index,
				    .until = until };
	return &d->at[i];
}

void denials_drop(struct denials *d, struct denial *one)
{
	mem_free(&one->what);
	while (d->used && !d->at[d->used - 1].what)
		d->used--;
}

uint64_t denials_deadline(const struct denials *d)
{
	uint64_t at = UINT64_MAX;

	for (unsigned i = 0; i < d->used; i++)
		if (d->at[i].what && d->at[i].count)
			at = MIN(at, d->at[i].until);
	return at;
}
