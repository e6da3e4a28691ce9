/* Used by vault and by tests; holds no secret. A hash table of lists, each with its
 * key's texts behind it. */
#include "lib/grant_index.h"

#include "lib/capability.h"

#include <stdlib.h>
#include <string.h>

enum {
	BUCKETS_FIRST = 64
}; /* a power of two */

/* The grants under one key. */
struct grant_list {
	struct grant_list *next; /* in the bucket */
	uint64_t hash;
	struct grant_key key; /* its texts follow the struct */
	struct grant_array grants;
};

struct grant_index {
	struct grant_list **bucket;
	size_t buckets; /* a power of two */
	size_t lists;
	size_t lists_of[GRANT_KEY__KINDS];
};

/* Sorted arrays. */

size_t grant_array_place(const struct grant_array *a, uint64_t id)
{
	size_t low = 0, high = a->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (a->item[mid]->id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

void grant_array_add(struct grant_array *a, struct grant *g)
{
	size_t at = grant_array_place(a, g->id);

	if (at < a->count && a->item[at] == g)
		return; /* the same value said twice */
	if (a->count == a->room) {
		a->room = a->room ? a->room * 2 : 1;
		a->item = xrealloc(a->item, a->room * sizeof *a->item);
	}
	memmove(a->item + at + 1, a->item + at,
		(a->count - at) * sizeof *a->item);
	a->item[at] = g;
	a->count++;
}

void grant_array_drop(struct grant_array *a, uint64_t id)
{
	size_t at = grant_array_place(a, id);

	if (at == a->count || a->item[at]->id != id)
		return;
	a->count--;
	memmove(a->item + at, a->item + at + 1,
		(a->count - at) * sizeof *a->item);
}

/* Keys. */

static uint64_t hash_bytes(uint64_t h, const void *p, size_t n)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * 0x100000001b3u;
	return h;
}

static uint64_t key_hash(const struct grant_key *k)
{
	uint64_t h = 0xcbf29ce484222325u + (uint64_t)k->kind +
		     (uint64_t)k->agent * GRANT_KEY__KINDS;

	h = hash_bytes(h, &k->id, sizeof k->id);
	h = hash_bytes(h, k->text.p, k->text.len);
	h = hash_bytes(h, k->name.p, k->name.len);
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93u;
	return h ^ h >> 32;
}

bool piece_equal(struct piece a, struct piece b)
{
	return a.len == b.len && (!a.len || !memcmp(a.p, b.p, a.len));
}

static bool key_equal(const struct grant_key *a, const struct grant_key *b)
{
	return a->kind == b->kind && a->agent == b->agent && a->id == b->id &&
	       piece_equal(a->text, b->text) && piece_equal(a->name, b->name);
}

/* Lists. */

static struct grant_list **list_place(const struct grant_index *x,
				      const struct grant_key *k, uint64_t hash)
{
	struct grant_list **at = &x->bucket[hash & (x->buckets - 1)];

	while (*at && ((*at)->hash != hash || !key_equal(&(*at)->key, k)))
		at = &(*at)->next;
	return at;
}

static struct grant_list *list_new(const struct grant_key *k, uint64_t hash)
{
	struct grant_list *l =
		xcalloc(1, sizeof *l + k->text.len + k->name.len);
	char *text = (char *)(l + 1);

	l->hash = hash;
	l->key = *k;
	memcpy(text, k->name.p, k->name.len);
	l->key.name.p = text;
	text += k->name.len;
	if (k->text.len)
		memcpy(text, k->text.p, k->text.len);
	l->key.text.p = text;
	return l;
}

static void list_free(struct grant_list *l)
{
	free(l->grants.item);
	free(l);
}

static void index_grow(struct grant_index *x)
{
	struct grant_list **old = x->bucket;
	size_t n = x->buckets;

	x->buckets = n * 2;
	x->bucket = xcalloc(x->buckets, sizeof *x->bucket);
	for (size_t i = 0; i < n; i++) {
		struct grant_list *l = old[i], *next;

		for (; l; l = next) {
			size_t b = l->hash & (x->buckets - 1);

			next = l->next;
			l->next = x->bucket[b];
			x->bucket[b] = l;
		}
	}
	free(old);
}

static void list_add(struct grant_index *x, const struct grant_key *k,
		     struct grant *g)
{
	uint64_t hash = key_hash(k);
	struct grant_list **at = list_place(x, k, hash);

	if (!*at) {
		*at = list_new(k, hash);
		x->lists++;
		x->lists_of[k->kind]++;
	}
	grant_array_add(&(*at)->grants, g);
	if (x->lists > x->buckets)
		index_grow(x);
}

static void list_drop(struct grant_index *x, const struct grant_key *k,
		      struct grant *g)
{
	struct grant_list **at = list_place(x, k, key_hash(k));
	struct grant_list *l = *at;

	if (!l)
		return; /* the same value said twice, and done */
	grant_array_drop(&l->grants, g->id);
	if (l->grants.count)
		return;
	*at = l->next;
	list_free(l);
	x->lists--;
	x->lists_of[k->kind]--;
}

/* What is done with every key of a grant. */
typedef void key_each(struct grant_index *, const struct grant_key *,
		      struct grant *);

static void each_number(struct grant_index *x, struct grant *g,
			struct grant_key k, key_each *each)
{
	struct id_set ids = g->uids.count ? g->uids : g->gids;

	k.kind = g->uids.count ? GRANT_KEY_UID : GRANT_KEY_GID;
	for (unsigned i = 0; i < ids.count; i++) {
		k.id = ids.item[i];
		each(x, &k, g);
	}
}

/* The capabilities that cover this one: itself, and with `*` for object, scope, both. */
static void each_cover(struct grant_index *x, struct grant *g,
		       struct grant_key k, key_each *each)
{
	static const struct span star = { (const uint8_t *)"*", 1 };
	struct capability c;
	struct buf b;

	if (capability_parse(span_of(k.text.p, k.text.len), false, &c, NULL) !=
	    OK)
		UNREACHABLE("a grant's capability was checked");
	buf_init(&b, CAP_MAX + 2);
	for (unsigned i = 0; i < 4; i++) {
		struct span object = i & 1 ? star : c.object;
		struct span scope = i & 2 ? star : c.scope;

		buf_clear(&b);
		ENSURE(buf_put(&b, c.verb.p, c.verb.n) == OK);
		ENSURE(buf_u8(&b, ':') == OK);
		ENSURE(buf_put(&b, object.p, object.n) == OK);
		ENSURE(buf_u8(&b, '@') == OK);
		ENSURE(buf_put(&b, scope.p, scope.n) == OK);
		k.text = (struct piece){ (const char *)b.p, (uint32_t)b.len };
		each(x, &k, g);
	}
	buf_wipe(&b);
}

/* Does `each` with every key of g under one name. */
static void each_subject(struct grant_index *x, struct grant *g,
			 struct grant_key k, key_each *each)
{
	static const struct {
		enum grant_name name;
		enum grant_key_kind kind;
	} by[] = { { GRANT_UNIT, GRANT_KEY_UNIT },
		   { GRANT_CERT_UID, GRANT_KEY_CERT_UID },
		   { GRANT_CERT_CAP, GRANT_KEY_CERT_CAP },
		   { GRANT_CERT_OU, GRANT_KEY_CERT_OU },
		   { GRANT_CERT_O, GRANT_KEY_CERT_O } };
	struct span_set set;
	size_t n = 0;

	while (n < NELEM(by) && !g->set[by[n].name].count)
		n++;
	if (g->uids.count || n == NELEM(by)) {
		each_number(x, g, k, each);
		return;
	}
	set = g->set[by[n].name];
	k.kind = by[n].kind;
	for (unsigned i = 0; i < set.count; i++) {
		k.text = set.item[i];
		if (k.kind == GRANT_KEY_CERT_CAP)
			each_cover(x, g, k, each);
		else
			each(x, &k, g);
	}
}

static void each_key(struct grant_index *x, struct grant *g, key_each *each)
{
	bool agent = grant_is_agent(g);
	struct span_set names = g->set[agent ? GRANT_AGENT : GRANT_CREDENTIAL];
	struct grant_key all = { .agent = agent, .name = { "", 0 } };

	each_subject(x, g, all, each);
	for (unsigned i = 0; i < names.count; i++) {
		struct grant_key k = { .agent = agent, .name = names.item[i] };

		each_subject(x, g, k, each);
	}
}

/* The whole. */

struct grant_index *grant_index_new(void)
{
	struct grant_index *x = xcalloc(1, sizeof *x);

	x->buckets = BUCKETS_FIRST;
	x->bucket = xcalloc(x->buckets, sizeof *x->bucket);
	return x;
}

void grant_index_free(struct grant_index *x)
{
	if (!x)
		return;
	for (size_t i = 0; i < x->buckets; i++) {
		struct grant_list *l = x->bucket[i], *next;

		for (; l; l = next) {
			next = l->next;
			list_free(l);
		}
	}
	free(x->bucket);
	free(x);
}

void grant_index_add(struct grant_index *x, struct grant *g)
{
	each_key(x, g, list_add);
}

void grant_index_drop(struct grant_index *x, struct grant *g)
{
	each_key(x, g, list_drop);
}

const struct grant_array *grant_index_find(const struct grant_index *x,
					   const struct grant_key *k)
{
	const struct grant_list *l = *list_place(x, k, key_hash(k));

	return l ? &l->grants : NULL;
}

bool grant_index_knows(const struct grant_index *x, enum grant_key_kind kind)
{
	return x->lists_of[kind] != 0;
}
