/* lib/merkle: the known answers of the RFC 6962 test tree, and every small tree
 * against the recursive definition. */
#include "lib/merkle.h"

#include "lib/enc.h"
#include "tests/unit/unit.h"

enum {
	MOST = 66
};

static struct merkle_hash leaf[MOST];

static enum err leaf_at(void *arg, uint64_t i, struct merkle_hash *out)
{
	(void)arg;
	if (i >= MOST)
		return ERR_INTERNAL;
	*out = leaf[i];
	return OK;
}

static const struct merkle_source source = { .leaf = leaf_at };

/* MTH of RFC 6962, section 2.1, word for word. */
static struct merkle_hash slow_root(const struct merkle_hash *d, size_t n)
{
	struct merkle_hash l, r, out;
	size_t k = 1;

	if (!n) {
		merkle_sha256(NULL, 0, NULL, 0, &out);
		return out;
	}
	if (n == 1)
		return d[0];
	while (2 * k < n)
		k *= 2;
	l = slow_root(d, k);
	r = slow_root(d + k, n - k);
	merkle_node(&l, &r, &out);
	return out;
}

static void fill(uint64_t *seed)
{
	for (size_t i = 0; i < MOST; i++) {
		uint64_t x = unit_next(seed);

		merkle_leaf(&x, sizeof x, &leaf[i]);
	}
}

static void assert_hex(const struct merkle_hash *h, const char *hex)
{
	char text[2 * MERKLE_HASH + 1];

	enc_hex(h->b, MERKLE_HASH, text);
	assert_string_equal(text, hex);
}

static void test_known_answers(void **state)
{
	static const char *const in[] = {
		"",
		"00",
		"10",
		"2021",
		"3031",
		"40414243",
		"5051525354555657",
		"606162636465666768696a6b6c6d6e6f",
	};
	static const char *const root[] = {
		"e3b0c44298fc1c149afbf4c8996fb924"
		"27ae41e4649b934ca495991b7852b855",
		"6e340b9cffb37a989ca544e6bb780a2c"
		"78901d3fb33738768511a30617afa01d",
		"fac54203e7cc696cf0dfcb42c92a1d9d"
		"baf70ad9e621f4bd8d98662f00e3c125",
		"aeb6bcfe274b70a14fb067a5e5578264"
		"db0fa9b51af5e0ba159158f329e06e77",
		"d37ee418976dd95753c1c73862b9398f"
		"a2a2cf9b4ff0fdfe8b30cd95209614b7",
		"4e3bbb1f7b478dcfe71fb631631519a3"
		"bca12c9aefca1612bfce4c13a86264d4",
		"76e67dadbcdf1e10e1b74ddc608abd2f"
		"98dfb16fbce75277b5232a127f2087ef",
		"ddb89be403809e325750d3d263cd7892"
		"9c2942b7942a34b77e122c9594a74c8c",
		"5dc9da79a70659a9ad559cb701ded9a2"
		"ab9d823aad2f4960cfe370eff4604328",
	};
	static const char *const path[] = {
		"96a296d224f285c67bee93c30f8a3091"
		"57f0daa35dc5b87e410b78630a09cfc7",
		"5f083f0a1a33ca076a95279832580db3"
		"e0ef4584bdff1f54c8a360f50de3031e",
		"6b47aaf29ee3c2af9af889bc1fb9254d"
		"abd31177f16232dd6aab035ca39bf6e4",
	};
	struct merkle_proof inclusion, consistency;
	struct merkle m;
	struct merkle_hash h;

	(void)state;
	merkle_init(&m);
	for (size_t i = 0; i <= NELEM(in); i++) {
		uint8_t bytes[16];

		merkle_root(&m, &h);
		assert_hex(&h, root[i]);
		if (i == NELEM(in))
			break;
		assert_int_equal(enc_hex_parse(in[i], strlen(in[i]), bytes,
					       strlen(in[i]) / 2),
				 OK);
		merkle_leaf(bytes, strlen(in[i]) / 2, &leaf[i]);
		merkle_append(&m, &leaf[i]);
	}
	assert_int_equal(merkle_inclusion(&source, 0, 8, &inclusion), OK);
	assert_int_equal(merkle_consistency(&source, 1, 8, &consistency), OK);
	assert_int_equal(inclusion.count, 3);
	assert_int_equal(consistency.count, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_hex(&inclusion.path[i], path[i]);
		assert_hex(&consistency.path[i], path[i]);
	}
}

static void test_root_is_the_definition(void **state)
{
	uint64_t seed = unit_seed();
	struct merkle m;

	(void)state;
	fill(&seed);
	merkle_init(&m);
	for (size_t n = 0; n < MOST; n++) {
		struct merkle_hash root, slow = slow_root(leaf, n);

		merkle_root(&m, &root);
		assert_memory_equal(&root, &slow, sizeof root);
		merkle_append(&m, &leaf[n]);
	}
}

static void test_frontier_goes_on_after_parsing(void **state)
{
	uint64_t seed = unit_seed();
	struct merkle m;

	(void)state;
	fill(&seed);
	merkle_init(&m);
	for (size_t n = 0; n < MOST; n++) {
		AUTO(buf_wipe) struct buf b = { .max = MERKLE_BYTES_MAX };
		struct merkle again, junk;
		struct merkle_hash x, y;

		assert_int_equal(merkle_format(&m, &b), OK);
		assert_int_equal(merkle_parse(b.p, b.len, &again), OK);
		merkle_append(&m, &leaf[n]);
		merkle_append(&again, &leaf[n]);
		merkle_root(&m, &x);
		merkle_root(&again, &y);
		assert_memory_equal(&x, &y, sizeof x);
		for (size_t cut = 0; cut < b.len; cut++)
			assert_int_equal(merkle_parse(b.p, cut, &junk),
					 ERR_INVALID);
		assert_int_equal(buf_u8(&b, 0), OK);
		assert_int_equal(merkle_parse(b.p, b.len, &junk), ERR_INVALID);
	}
}

static void test_inclusion_of_every_leaf(void **state)
{
	uint64_t seed = unit_seed();
	struct merkle_proof p;

	(void)state;
	fill(&seed);
	for (uint64_t n = 1; n < MOST; n++) {
		struct merkle_hash root = slow_root(leaf, n);

		for (uint64_t i = 0; i < n; i++) {
			assert_int_equal(merkle_inclusion(&source, i, n, &p),
					 OK);
			assert_int_equal(merkle_inclusion_check(&leaf[i], i, n,
								&p, &root),
					 OK);
			assert_int_equal(merkle_inclusion_check(&leaf[i + 1], i,
								n, &p, &root),
					 ERR_INVALID);
			if (n > 1)
				assert_int_equal(merkle_inclusion_check(
							 &leaf[i], (i + 1) % n,
							 n, &p, &root),
						 ERR_INVALID);
		}
	}
	assert_int_equal(merkle_inclusion(&source, 5, 5, &p), ERR_INVALID);
}

/* One bit changed, one hash less, one more: none of it may pass. */
static void assert_only(uint64_t old, uint64_t n, const struct merkle_proof *p,
			const struct merkle_hash *was,
			const struct merkle_hash *is, uint64_t *seed)
{
	struct merkle_proof q = *p;

	if (p->count) {
		size_t i = unit_below(seed, p->count);

		q.path[i].b[unit_below(seed, MERKLE_HASH)] ^=
			(uint8_t)(1 << unit_below(seed, 8));
		assert_int_equal(merkle_consistency_check(old, was, n, is, &q),
				 ERR_INVALID);
		q = *p;
		q.count--;
		assert_int_equal(merkle_consistency_check(old, was, n, is, &q),
				 ERR_INVALID);
	}
	q = *p;
	q.path[q.count++] = *is;
	assert_int_equal(merkle_consistency_check(old, was, n, is, &q),
			 ERR_INVALID);
}

static void test_consistency_of_every_pair(void **state)
{
	uint64_t seed = unit_seed();
	struct merkle_proof p;

	(void)state;
	fill(&seed);
	for (uint64_t n = 0; n < MOST; n++) {
		struct merkle_hash is = slow_root(leaf, n);

		for (uint64_t old = 0; old <= n; old++) {
			struct merkle_hash was = slow_root(leaf, old), other;

			assert_int_equal(
				merkle_consistency(&source, old, n, &p), OK);
			assert_int_equal(
				merkle_consistency_check(old, &was, n, &is, &p),
				OK);
			assert_only(old, n, &p, &was, &is, &seed);
			other = was;
			other.b[0] ^= 1;
			assert_int_equal(merkle_consistency_check(old, &other,
								  n, &is, &p),
					 ERR_INVALID);
			if (!old)
				continue;
			other = is;
			other.b[31] ^= 1;
			assert_int_equal(merkle_consistency_check(old, &was, n,
								  &other, &p),
					 ERR_INVALID);
		}
	}
	assert_int_equal(merkle_consistency(&source, 6, 5, &p), ERR_INVALID);
}

/* Tiles */

enum {
	TILED = 70000, /* one tile of level 2 and a bit */
	TILE = 1 << MERKLE_TILE_BITS,
};

static struct merkle_hash tiled[TILED];
static unsigned asked;

static enum err tiled_leaf(void *arg, uint64_t i, struct merkle_hash *out)
{
	(void)arg;
	assert_true(i < TILED);
	asked++;
	*out = tiled[i];
	return OK;
}

static struct merkle_hash root_of(uint64_t start, uint64_t count)
{
	struct merkle_hash out;
	struct merkle m;

	merkle_init(&m);
	for (uint64_t i = 0; i < count; i++)
		merkle_append(&m, &tiled[start + i]);
	merkle_root(&m, &out);
	return out;
}

static enum err tiled_tile(void *arg, unsigned level, uint64_t i,
			   struct merkle_hash *out)
{
	uint64_t leaves = (uint64_t)1 << level * MERKLE_TILE_BITS;

	(void)arg;
	assert_in_range(level, 1, MERKLE_TILES);
	assert_true((i + 1) * leaves <= TILED);
	asked++;
	*out = root_of(i * leaves, leaves);
	return OK;
}

static void test_proofs_from_tiles_are_the_same(void **state)
{
	static const struct merkle_source plain = { .leaf = tiled_leaf };
	static const struct merkle_source tiles = { .leaf = tiled_leaf,
						    .tile = tiled_tile };
	uint64_t seed = unit_seed();
	struct merkle_proof want, got;

	(void)state;
	for (uint64_t i = 0; i < TILED; i++)
		merkle_leaf(&i, sizeof i, &tiled[i]);
	for (int i = 0; i < 60; i++) {
		uint64_t size = 1 + unit_below(&seed, i % 2 ? TILED : 3 * TILE);
		uint64_t at = unit_below(&seed, size);

		assert_int_equal(merkle_inclusion(&plain, at, size, &want), OK);
		asked = 0;
		assert_int_equal(merkle_inclusion(&tiles, at, size, &got), OK);
		assert_true(asked < 4 * TILE);
		assert_int_equal(got.count, want.count);
		assert_memory_equal(got.path, want.path,
				    want.count * MERKLE_HASH);
		assert_int_equal(merkle_consistency(&plain, at, size, &want),
				 OK);
		asked = 0;
		assert_int_equal(merkle_consistency(&tiles, at, size, &got),
				 OK);
		assert_true(asked < 4 * TILE);
		assert_int_equal(got.count, want.count);
		assert_memory_equal(got.path, want.path,
				    want.count * MERKLE_HASH);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_answers),
		cmocka_unit_test(test_root_is_the_definition),
		cmocka_unit_test(test_frontier_goes_on_after_parsing),
		cmocka_unit_test(test_inclusion_of_every_leaf),
		cmocka_unit_test(test_consistency_of_every_pair),
		cmocka_unit_test(test_proofs_from_tiles_are_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
