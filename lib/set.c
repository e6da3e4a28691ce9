/* Used by the vault: counts every row in at unseal, then follows each change. */
#include "lib/set.h"

#include <sodium.h>
#include <string.h>

void set_init(struct set *s)
{
	*s = (struct set){ 0 };
}

static void hash_u64(crypto_generichash_blake2b_state *h, uint64_t v)
{
	uint8_t be[8];

	for (size_t i = sizeof be; i > 0; i--, v >>= 8)
		be[i - 1] = (uint8_t)v;
	crypto_generichash_blake2b_update(h, be, sizeof be);
}

/* The table's name is the only part of no fixed length, and the first. */
static void contribution(uint8_t out[SET_SUM], const struct seal_keys *k,
			 const struct row *r)
{
	const char *table = row_table_name(r->head.table);
	uint8_t digest[crypto_hash_sha256_BYTES];
	crypto_generichash_blake2b_state h;

	crypto_hash_sha256(digest, r->blob, r->blob_len);
	crypto_generichash_blake2b_init(&h, seal_set_key(k), KEY_SIZE, SET_SUM);
	crypto_generichash_blake2b_update(&h, (const uint8_t *)table,
					  strlen(table));
	hash_u64(&h, r->head.row);
	hash_u64(&h, r->head.generation);
	crypto_generichash_blake2b_update(&h, digest, sizeof digest);
	crypto_generichash_blake2b_final(&h, out, SET_SUM);
	secret_zero(&h, sizeof h);
}

static void toggle(struct set *s, const struct seal_keys *k,
		   const struct row *r)
{
	uint8_t one[SET_SUM];

	ENSURE(r->head.table != ROW_STATE);
	contribution(one, k, r);
	for (size_t i = 0; i < SET_SUM; i++)
		s->sum[i] ^= one[i];
}

void set_add(struct set *s, const struct seal_keys *k, const struct row *r)
{
	toggle(s, k, r);
	s->rows++;
	if (r->head.generation > s->newest)
		s->newest = r->head.generation;
}

void set_drop(struct set *s, const struct seal_keys *k, const struct row *r)
{
	ENSURE(s->rows > 0);
	toggle(s, k, r);
	s->rows--;
}

enum err set_state_format(const struct set_state *st, struct attrs *a)
{
	TRY(attrs_add_u64(a, "generation", st->generation));
	TRY(attrs_add_u64(a, "rows", st->set.rows));
	TRY(attrs_add(a, "sum", 0, st->set.sum, SET_SUM));
	return attrs_add_u64(a, "audit_size", st->audit_size);
}

static enum err number(struct attr_view v, const char *name, uint64_t *n,
		       struct fault *f)
{
	struct attr a;

	if (attr_only(v, name, &a) == OK &&
	    attr_u64(&a, ROW_NUMBER_MAX, n) == OK)
		return OK;
	return fault_set(f, ERR_INVALID, "the state row has no readable '%s'",
			 name);
}

enum err set_state_parse(struct attr_view v, struct set_state *st,
			 struct fault *f)
{
	struct set_state got = { 0 };
	struct attr a;

	TRY(number(v, "generation", &got.generation, f));
	TRY(number(v, "rows", &got.set.rows, f));
	TRY(number(v, "audit_size", &got.audit_size, f));
	if (attr_only(v, "sum", &a) != OK || a.len != SET_SUM)
		return fault_set(f, ERR_INVALID,
				 "the state row has no readable 'sum'");
	memcpy(got.set.sum, a.value, SET_SUM);
	got.set.newest = got.generation;
	*st = got;
	return OK;
}

enum err set_check(const struct set *found, const struct set_state *st,
		   struct fault *f)
{
	unsigned long long is = found->rows, was = st->set.rows;

	if (found->newest > st->generation)
		return fault_set(f, ERR_INVALID,
				 "the state row is of generation %llu, but a "
				 "row of the store of %llu: the state row was "
				 "put back from an old copy",
				 (unsigned long long)st->generation,
				 (unsigned long long)found->newest);
	if (is < was)
		return fault_set(f, ERR_INVALID,
				 "the store has %llu rows and should have "
				 "%llu: rows were deleted",
				 is, was);
	if (is > was)
		return fault_set(f, ERR_INVALID,
				 "the store has %llu rows and should have "
				 "%llu: rows were added or put back",
				 is, was);
	if (!secret_equal(found->sum, st->set.sum, SET_SUM))
		return fault_set(f, ERR_INVALID,
				 "a row of the store is not the one last "
				 "written: it was put back from an old copy");
	return OK;
}
