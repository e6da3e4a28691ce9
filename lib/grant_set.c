/* The index of grants. Used by vault and by tests; holds no secret.
 *
 * A grant is listed under each pair of a credential and one thing of its subject: a
 * uid if it names uids, else a system unit, else a gid (one of which every grant
 * has). A decision therefore looks at one list for the subject's uid, one for its
 * unit and one for each of its groups, and merges them by age. */
#include "lib/grant_set.h"

#include <stdlib.h>
#include <string.h>

enum {
	BUCKETS_FIRST = 64, /* a power of two */
	LISTS_MAX = SUBJECT_GIDS_MAX + 2,
};

enum key_kind {
	KEY_UID,
	KEY_GID,
	KEY_UNIT,
	KEY__KINDS
};

struct key {
	enum key_kind kind;
	uint32_t id;      /* uid or gid */
	struct span unit; /* KEY_UNIT */
	struct span credential;
};

/* The grants under one key, the oldest first. */
struct grant_list {
	struct grant_list *next; /* in the bucket */
	uint64_t hash;
	struct key key; /* its texts follow the struct */
	struct grant **item;
	size_t count, room;
};

/* Grants by id, in ascending order. */
struct grant_set {
	struct grant **all;
	size_t count, room;
	struct grant_list **bucket;
	size_t buckets; /* a power of two */
	size_t lists;
	size_t lists_of[KEY__KINDS];
};

/* Sorted arrays of grants. */

/* The first place whose id is not below id. */
static size_t place_of(struct grant *const *item, size_t count, uint64_t id)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (item[mid]->id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void array_insert(struct grant ***item, size_t *count, size_t *room,
			 struct grant *g)
{
	size_t at = place_of(*item, *count, g->id);

	if (at < *count && (*item)[at] == g)
		return; /* the same value said twice */
	if (*count == *room) {
		*room = *room ? *room * 2 : 1;
		*item = xrealloc(*item, *room * sizeof **item);
	}
	memmove(*item + at + 1, *item + at, (*count - at) * sizeof **item);
	(*item)[at] = g;
	++*count;
}

static void array_remove(struct grant **item, size_t *count, uint64_t id)
{
	size_t at = place_of(item, *count, id);

	if (at == *count || item[at]->id != id)
		return;
	--*count;
	memmove(item + at, item + at + 1, (*count - at) * sizeof *item);
}

/* Keys. */

static uint64_t hash_bytes(uint64_t h, const void *p, size_t n)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * 0x100000001b3u;
	return h;
}

static uint64_t key_hash(const struct key *k)
{
	uint64_t h = 0xcbf29ce484222325u + (uint64_t)k->kind;

	h = hash_bytes(h, &k->id, sizeof k->id);
	h = hash_bytes(h, k->unit.p, k->unit.len);
	h = hash_bytes(h, k->credential.p, k->credential.len);
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93u;
	return h ^ h >> 32;
}

static bool span_equal(struct span a, struct span b)
{
	return a.len == b.len && (!a.len || !memcmp(a.p, b.p, a.len));
}

static bool key_equal(const struct key *a, const struct key *b)
{
	return a->kind == b->kind && a->id == b->id &&
	       span_equal(a->unit, b->unit) &&
	       span_equal(a->credential, b->credential);
}

/* Lists. */

static struct grant_list **list_place(const struct grant_set *set,
				      const struct key *k, uint64_t hash)
{
	struct grant_list **at = &set->bucket[hash & (set->buckets - 1)];

	while (*at && ((*at)->hash != hash || !key_equal(&(*at)->key, k)))
		at = &(*at)->next;
	return at;
}

static struct grant_list *list_find(const struct grant_set *set,
				    const struct key *k)
{
	return *list_place(set, k, key_hash(k));
}

static struct grant_list *list_new(const struct key *k, uint64_t hash)
{
	struct grant_list *l =
		xcalloc(1, sizeof *l + k->unit.len + k->credential.len);
	char *text = (char *)(l + 1);

	l->hash = hash;
	l->key = *k;
	memcpy(text, k->credential.p, k->credential.len);
	l->key.credential.p = text;
	text += k->credential.len;
	if (k->unit.len)
		memcpy(text, k->unit.p, k->unit.len);
	l->key.unit.p = text;
	return l;
}

static void list_free(struct grant_list *l)
{
	free(l->item);
	free(l);
}

static void set_grow(struct grant_set *set)
{
	struct grant_list **old = set->bucket;
	size_t n = set->buckets;

	set->buckets = n * 2;
	set->bucket = xcalloc(set->buckets, sizeof *set->bucket);
	for (size_t i = 0; i < n; i++) {
		struct grant_list *l = old[i], *next;

		for (; l; l = next) {
			size_t b = l->hash & (set->buckets - 1);

			next = l->next;
			l->next = set->bucket[b];
			set->bucket[b] = l;
		}
	}
	free(old);
}

static void list_add(struct grant_set *set, const struct key *k,
		     struct grant *g)
{
	uint64_t hash = key_hash(k);
	struct grant_list **at = list_place(set, k, hash);

	if (!*at) {
		*at = list_new(k, hash);
		set->lists++;
		set->lists_of[k->kind]++;
	}
	array_insert(&(*at)->item, &(*at)->count, &(*at)->room, g);
	if (set->lists > set->buckets)
		set_grow(set);
}

static void list_drop(struct grant_set *set, const struct key *k,
		      struct grant *g)
{
	struct grant_list **at = list_place(set, k, key_hash(k));
	struct grant_list *l = *at;

	if (!l)
		return; /* the same value said twice, and done */
	array_remove(l->item, &l->count, g->id);
	if (l->count)
		return;
	*at = l->next;
	list_free(l);
	set->lists--;
	set->lists_of[k->kind]--;
}

/* Does `each` with every key of g under one credential. */
static void each_subject(struct grant_set *set, struct grant *g, struct key k,
			 void (*each)(struct grant_set *, const struct key *,
				      struct grant *))
{
	struct span_set units = g->set[GRANT_UNIT];
	struct id_set ids = g->uids.count ? g->uids : g->gids;

	if (!g->uids.count && units.count) {
		k.kind = KEY_UNIT;
		for (unsigned i = 0; i < units.count; i++) {
			k.unit = units.item[i];
			each(set, &k, g);
		}
		return;
	}
	k.kind = g->uids.count ? KEY_UID : KEY_GID;
	for (unsigned i = 0; i < ids.count; i++) {
		k.id = ids.item[i];
		each(set, &k, g);
	}
}

static void each_key(struct grant_set *set, struct grant *g,
		     void (*each)(struct grant_set *, const struct key *,
				  struct grant *))
{
	struct span_set names = g->set[GRANT_CREDENTIAL];

	for (unsigned i = 0; i < names.count; i++) {
		struct key k = { .credential = names.item[i] };

		each_subject(set, g, k, each);
	}
}

/* The set. */

struct grant_set *grant_set_new(void)
{
	struct grant_set *set = xcalloc(1, sizeof *set);

	set->buckets = BUCKETS_FIRST;
	set->bucket = xcalloc(set->buckets, sizeof *set->bucket);
	return set;
}

void grant_set_free(struct grant_set *set)
{
	if (!set)
		return;
	for (size_t i = 0; i < set->buckets; i++) {
		struct grant_list *l = set->bucket[i], *next;

		for (; l; l = next) {
			next = l->next;
			list_free(l);
		}
	}
	for (size_t i = 0; i < set->count; i++)
		grant_free(set->all[i]);
	free(set->bucket);
	free(set->all);
	free(set);
}

static size_t set_place(const struct grant_set *set, uint64_t id)
{
	size_t at = place_of(set->all, set->count, id);

	return at < set->count && set->all[at]->id == id ? at : SIZE_MAX;
}

enum err grant_set_add(struct grant_set *set, struct grant *g)
{
	if (set_place(set, g->id) != SIZE_MAX)
		return ERR_EXISTS;
	array_insert(&set->all, &set->count, &set->room, g);
	each_key(set, g, list_add);
	return OK;
}

enum err grant_set_drop(struct grant_set *set, uint64_t id)
{
	size_t at = set_place(set, id);
	struct grant *g;

	if (at == SIZE_MAX)
		return ERR_NOT_FOUND;
	g = set->all[at];
	each_key(set, g, list_drop);
	array_remove(set->all, &set->count, id);
	grant_free(g);
	return OK;
}

const struct grant *grant_set_find(const struct grant_set *set, uint64_t id)
{
	size_t at = set_place(set, id);

	return at == SIZE_MAX ? NULL : set->all[at];
}

size_t grant_set_count(const struct grant_set *set)
{
	return set->count;
}

const struct grant *grant_set_at(const struct grant_set *set, size_t i)
{
	ENSURE(i < set->count);
	return set->all[i];
}

/* Candidates: the lists a subject is in, merged by age. */

struct candidates {
	const struct grant_list *list[LISTS_MAX];
	size_t at[LISTS_MAX];
	unsigned count;
};

static void candidates_add(struct candidates *c, const struct grant_set *set,
			   const struct key *k)
{
	const struct grant_list *l = list_find(set, k);

	if (!l)
		return;
	ENSURE(c->count < LISTS_MAX);
	c->at[c->count] = 0;
	c->list[c->count++] = l;
}

static void candidates_of(struct candidates *c, const struct grant_set *set,
			  const struct subject *s, const char *credential)
{
	size_t n = strlen(credential);
	struct key k = { .credential = { credential, (uint32_t)n } };

	c->count = 0;
	if (n > GRANT_CREDENTIAL_MAX)
		return;
	k.kind = KEY_UID;
	k.id = s->uid;
	candidates_add(c, set, &k);
	k.kind = KEY_GID;
	for (unsigned i = 0; i < s->gid_count && set->lists_of[KEY_GID]; i++) {
		k.id = s->gids[i];
		candidates_add(c, set, &k);
	}
	if (!s->unit)
		return;
	k.kind = KEY_UNIT;
	k.id = 0;
	k.unit = (struct span){ s->unit, (uint32_t)strlen(s->unit) };
	candidates_add(c, set, &k);
}

/* The next older-first; a grant that is in several lists comes once. */
static const struct grant *candidates_next(struct candidates *c)
{
	const struct grant *oldest = NULL;

	for (unsigned i = 0; i < c->count; i++) {
		const struct grant_list *l = c->list[i];

		if (c->at[i] < l->count &&
		    (!oldest || l->item[c->at[i]]->id < oldest->id))
			oldest = l->item[c->at[i]];
	}
	for (unsigned i = 0; oldest && i < c->count; i++) {
		const struct grant_list *l = c->list[i];

		if (c->at[i] < l->count && l->item[c->at[i]] == oldest)
			c->at[i]++;
	}
	return oldest;
}

/* Decisions. */

typedef enum grant_verdict grant_judge(const struct grant *,
				       const struct subject *,
				       const struct grant_request *, int64_t,
				       struct fault *);

/* The first candidate that does not simply fail. */
static void decide(const struct grant_set *set, const struct subject *s,
		   const struct grant_request *rq, int64_t now,
		   grant_judge *judge, struct grant_decision *d)
{
	struct candidates c;
	const struct grant *g;

	d->verdict = GRANT_DENY;
	d->grant = NULL;
	d->exe = (struct span){ .len = 0 };
	candidates_of(&c, set, s, rq->credential);
	while ((g = candidates_next(&c))) {
		enum grant_verdict v = judge(g, s, rq, now, NULL);

		if (v == GRANT_DENY)
			continue;
		d->verdict = v;
		d->grant = g;
		if (v == GRANT_NEEDS_EXE)
			d->exe = grant_exe_wanted(g, rq->proof);
		return;
	}
}

static void deny_admission(const struct subject *s,
			   const struct grant_request *rq, struct fault *why)
{
	(void)fault_set(why, ERR_DENIED,
			"no grant lets uid %u run '%.64s' with credential "
			"'%.*s': an admin can give one with 'cretula grant add "
			"credential=%.*s op=%.64s uid=%u'",
			s->uid, rq->op, GRANT_CREDENTIAL_MAX, rq->credential,
			GRANT_CREDENTIAL_MAX, rq->credential, rq->op, s->uid);
}

/* The sentence about the oldest grant that would admit the subject. */
static void deny_content(const struct grant_set *set, const struct subject *s,
			 const struct grant_request *rq, int64_t now,
			 struct fault *why)
{
	struct candidates c;
	const struct grant *g;

	candidates_of(&c, set, s, rq->credential);
	while ((g = candidates_next(&c)))
		if (grant_admits(g, s, rq, now, NULL) != GRANT_DENY &&
		    grant_match(g, s, rq, now, why) == GRANT_DENY)
			return;
	deny_admission(s, rq, why);
}

void grants_admit(const struct grant_set *set, const struct subject *s,
		  const struct grant_request *rq, int64_t now,
		  struct grant_decision *d)
{
	decide(set, s, rq, now, grant_admits, d);
	if (d->verdict == GRANT_DENY)
		deny_admission(s, rq, &d->why);
}

void grants_decide(const struct grant_set *set, const struct subject *s,
		   const struct grant_request *rq, int64_t now,
		   struct grant_decision *d)
{
	decide(set, s, rq, now, grant_match, d);
	if (d->verdict == GRANT_DENY)
		deny_content(set, s, rq, now, &d->why);
}

/* Explaining. */

static bool names_credential(const struct grant *g, const char *credential)
{
	struct span_set set = g->set[GRANT_CREDENTIAL];
	struct span asked = { credential, (uint32_t)strlen(credential) };

	for (unsigned i = 0; i < set.count; i++)
		if (span_equal(set.item[i], asked))
			return true;
	return false;
}

static enum err explain_one(const struct grant *g, const struct subject *s,
			    const struct grant_request *rq, int64_t now,
			    struct buf *out)
{
	struct fault why = { .code = OK };
	struct span exe;

	switch (grant_match(g, s, rq, now, &why)) {
	case GRANT_ALLOW:
		return buf_fmt(out, "grant %llu: allows it\n",
			       (unsigned long long)g->id);
	case GRANT_NEEDS_ALIVE:
		return buf_fmt(out,
			       "grant %llu: allows it if the process is "
			       "still the one that connected\n",
			       (unsigned long long)g->id);
	case GRANT_NEEDS_EXE:
		exe = grant_exe_wanted(g, rq->proof);
		return buf_fmt(out,
			       "grant %llu: allows it if the program is "
			       "the file %.*s\n",
			       (unsigned long long)g->id, (int)exe.len, exe.p);
	case GRANT_DENY:
		break;
	}
	return buf_fmt(out, "%s\n", why.text);
}

enum err grants_explain(const struct grant_set *set, const struct subject *s,
			const struct grant_request *rq, int64_t now,
			struct buf *out)
{
	size_t told = 0, more = 0;

	for (size_t i = 0; i < set->count; i++) {
		const struct grant *g = set->all[i];

		if (!names_credential(g, rq->credential))
			continue;
		if (told == GRANT_EXPLAIN_MAX) {
			more++;
			continue;
		}
		told++;
		TRY(explain_one(g, s, rq, now, out));
	}
	if (more)
		return buf_fmt(out, "and %zu more that name it\n", more);
	if (!told)
		return buf_fmt(out, "no grant names credential '%s'\n",
			       rq->credential);
	return OK;
}
