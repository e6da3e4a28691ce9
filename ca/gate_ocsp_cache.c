/* gate: OCSP answers in memory, each a response ready to be queued, so that a hit
 * costs little more than a handler that knows one answer. Public data only. */
#include "ca/gate_ocsp.h"

#include "ca/gate.h"
#include "lib/enc.h"
#include "lib/httpdate.h"
#include "lib/map.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A number that answers speak of, and one of these answers. */
struct ocsp_number {
	uint64_t number;
	struct ocsp_link *first;
};

struct ocsp_link {
	struct ocsp_entry *entry;
	struct ocsp_number *number;
	struct ocsp_link *next, *prev; /* of the same number */
};

static struct {
	struct map *entries, *numbers;
	struct ocsp_entry *newest, *oldest; /* by last use */
	size_t bytes;
} cache;

static void entry_key(const void *value, const void **key, size_t *len)
{
	*key = ((const struct ocsp_entry *)value)->key;
	*len = OCSP_KEY;
}

static void number_key(const void *value, const void **key, size_t *len)
{
	*key = &((const struct ocsp_number *)value)->number;
	*len = sizeof(uint64_t);
}

void ocsp_cache_open(void)
{
	cache.entries = map_new(entry_key);
	cache.numbers = map_new(number_key);
}

void ocsp_cache_close(void)
{
	(void)ocsp_cache_drop_all();
	map_free(cache.entries);
	map_free(cache.numbers);
	cache.entries = cache.numbers = NULL;
}

size_t ocsp_cache_entries(void)
{
	return map_count(cache.entries);
}

size_t ocsp_cache_bytes(void)
{
	return cache.bytes;
}

/* Numbers */

static void link_add(struct ocsp_entry *e, struct ocsp_link *l, uint64_t number)
{
	struct ocsp_number *n = map_find(cache.numbers, &number, sizeof number);

	if (!n) {
		n = xcalloc(1, sizeof *n);
		n->number = number;
		map_add(cache.numbers, n);
	}
	l->entry = e;
	l->number = n;
	l->next = n->first;
	if (n->first)
		n->first->prev = l;
	n->first = l;
}

static void link_drop(struct ocsp_link *l)
{
	struct ocsp_number *n = l->number;

	*(l->prev ? &l->prev->next : &n->first) = l->next;
	if (l->next)
		l->next->prev = l->prev;
	if (n->first)
		return;
	(void)map_drop(cache.numbers, &n->number, sizeof n->number);
	free(n);
}

/* By last use */

static void use_drop(struct ocsp_entry *e)
{
	*(e->newer ? &e->newer->older : &cache.newest) = e->older;
	*(e->older ? &e->older->newer : &cache.oldest) = e->newer;
}

static void use_add(struct ocsp_entry *e)
{
	e->newer = NULL;
	e->older = cache.newest;
	*(cache.newest ? &cache.newest->newer : &cache.oldest) = e;
	cache.newest = e;
}

/* Entries */

static void entry_drop(struct ocsp_entry *e)
{
	(void)map_drop(cache.entries, e->key, OCSP_KEY);
	use_drop(e);
	for (unsigned i = 0; i < e->links; i++)
		link_drop(&e->link[i]);
	cache.bytes -= e->bytes;
	MHD_destroy_response(e->response);
	free(e->link);
	free(e);
}

/* A max-age must end before the answer does, at any moment of its step. */
static void entry_age(struct ocsp_entry *e, int64_t now)
{
	int64_t left = e->next_update - now - OCSP_AGE_STEP - 1;

	if (e->age[0])
		(void)MHD_del_response_header(
			e->response, MHD_HTTP_HEADER_CACHE_CONTROL, e->age);
	(void)snprintf(e->age, sizeof e->age,
		       "max-age=%lld, public, no-transform, must-revalidate",
		       (long long)MAX(left, 0));
	mhd_header(e->response, MHD_HTTP_HEADER_CACHE_CONTROL, e->age);
	e->age_at = now;
}

static void entry_headers(struct ocsp_entry *e, struct span der)
{
	uint8_t hash[crypto_hash_sha256_BYTES];
	char date[HTTPDATE_LEN + 1];

	(void)crypto_hash_sha256(hash, der.p, der.n);
	e->etag[0] = '"';
	enc_hex(hash, sizeof hash, e->etag + 1);
	e->etag[OCSP_ETAG - 2] = '"';
	e->etag[OCSP_ETAG - 1] = 0;
	mhd_header(e->response, MHD_HTTP_HEADER_ETAG, e->etag);
	httpdate_format(e->this_update, date);
	mhd_header(e->response, MHD_HTTP_HEADER_LAST_MODIFIED, date);
	httpdate_format(e->next_update, date);
	mhd_header(e->response, MHD_HTTP_HEADER_EXPIRES, date);
}

struct ocsp_entry *ocsp_cache_find(const uint8_t key[OCSP_KEY], int64_t now)
{
	struct ocsp_entry *e = map_find(cache.entries, key, OCSP_KEY);

	if (!e)
		return NULL;
	if (now >= e->next_update) {
		entry_drop(e);
		return NULL;
	}
	if (cache.newest != e) {
		use_drop(e);
		use_add(e);
	}
	if (now < e->age_at || now - e->age_at >= OCSP_AGE_STEP)
		entry_age(e, now);
	return e;
}

static void make_room(void)
{
	while (cache.oldest && (cache.bytes > OCSP_BYTES_MAX ||
				map_count(cache.entries) >= OCSP_ENTRIES_MAX))
		entry_drop(cache.oldest);
}

void ocsp_cache_put(const uint8_t key[OCSP_KEY], struct span request,
		    const struct ocsp_answer *a, int64_t now)
{
	struct ocsp_entry *e = map_find(cache.entries, key, OCSP_KEY);
	size_t cost = sizeof *e + request.n + a->response.n + OCSP_ENTRY_COST +
		      a->numbers * (sizeof(struct ocsp_link) +
				    sizeof(struct ocsp_number));

	if (e)
		entry_drop(e);
	cache.bytes += cost;
	make_room();
	e = xcalloc(1, sizeof *e + request.n);
	memcpy(e->key, key, OCSP_KEY);
	memcpy(e->request, request.p, request.n);
	e->request_len = request.n;
	e->this_update = a->this_update;
	e->next_update = a->next_update;
	e->refresh = a->refresh;
	e->bytes = cost;
	e->response = mhd_response(a->response.p, a->response.n,
				   "application/ocsp-response");
	entry_headers(e, a->response);
	entry_age(e, now);
	e->link = xcalloc(MAX(a->numbers, 1u), sizeof *e->link);
	e->links = a->numbers;
	for (unsigned i = 0; i < a->numbers; i++)
		link_add(e, &e->link[i], a->number[i]);
	map_add(cache.entries, e);
	use_add(e);
}

size_t ocsp_cache_drop(uint64_t number)
{
	struct ocsp_number *n;
	size_t count = 0;

	while ((n = map_find(cache.numbers, &number, sizeof number))) {
		entry_drop(n->first->entry);
		count++;
	}
	return count;
}

size_t ocsp_cache_drop_all(void)
{
	size_t count = map_count(cache.entries);

	while (cache.oldest)
		entry_drop(cache.oldest);
	return count;
}
