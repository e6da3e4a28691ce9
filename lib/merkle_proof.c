/* Proofs over Merkle trees, RFC 6962 section 2.1 as RFC 9162 words the checks. Used
 * by the command and ca; holds hashes, which are no secret. */
#include "lib/merkle.h"

/* The largest power of two below n (n >= 2): where a tree of n leaves splits. */
static uint64_t split(uint64_t n)
{
	return (uint64_t)1 << (63 - __builtin_clzll(n - 1));
}

/* The highest level whose tile begins at `start` and has at most `count` leaves; 0:
 * only the leaf itself. */
static unsigned tile_at(const struct merkle_source *src, uint64_t start,
			uint64_t count)
{
	unsigned level = 0;

	if (!src->tile)
		return 0;
	while (level < MERKLE_TILES) {
		uint64_t leaves = (uint64_t)1 << (level + 1) * MERKLE_TILE_BITS;

		if (leaves > count || start & (leaves - 1))
			break;
		level++;
	}
	return level;
}

/* The root of the leaves start … start + count - 1. Such a range is met on the way
 * down a tree, so start is a multiple of the power of two that count fits in, and a
 * tile that begins in it does so at a multiple of its size from start. */
static enum err range_root(const struct merkle_source *src, uint64_t start,
			   uint64_t count, struct merkle_hash *out)
{
	struct merkle m;
	struct merkle_hash h;

	merkle_init(&m);
	while (m.size < count) {
		uint64_t at = start + m.size;
		unsigned level = tile_at(src, at, count - m.size);

		if (level)
			TRY(src->tile(src->arg, level,
				      at >> level * MERKLE_TILE_BITS, &h));
		else
			TRY(src->leaf(src->arg, at, &h));
		merkle_append_tree(&m, level * MERKLE_TILE_BITS, &h);
	}
	merkle_root(&m, out);
	return OK;
}

/* The subtrees met on the way down, which proofs name from the bottom up. */
struct way {
	unsigned count;
	struct {
		uint64_t start, count;
	} at[MERKLE_PROOF_MAX];
};

static void way_add(struct way *w, uint64_t start, uint64_t count)
{
	ENSURE(w->count < MERKLE_PROOF_MAX);
	w->at[w->count].start = start;
	w->at[w->count].count = count;
	w->count++;
}

static enum err way_hashes(const struct way *w, const struct merkle_source *src,
			   struct merkle_proof *proof)
{
	proof->count = 0;
	for (unsigned i = w->count; i-- > 0;) {
		TRY(range_root(src, w->at[i].start, w->at[i].count,
			       &proof->path[proof->count]));
		proof->count++;
	}
	return OK;
}

enum err merkle_inclusion(const struct merkle_source *src, uint64_t index,
			  uint64_t size, struct merkle_proof *proof)
{
	struct way w = { 0 };
	uint64_t start = 0;

	if (index >= size || size > MERKLE_SIZE_MAX)
		return ERR_INVALID;
	while (size > 1) {
		uint64_t k = split(size);

		if (index < k) {
			way_add(&w, start + k, size - k);
			size = k;
		} else {
			way_add(&w, start, k);
			start += k;
			index -= k;
			size -= k;
		}
	}
	return way_hashes(&w, src, proof);
}

/* RFC 9162, 2.1.3.2. */
enum err merkle_inclusion_check(const struct merkle_hash *leaf, uint64_t index,
				uint64_t size, const struct merkle_proof *proof,
				const struct merkle_hash *root)
{
	uint64_t fn = index, sn = size - 1;
	struct merkle_hash r = *leaf;

	if (index >= size || size > MERKLE_SIZE_MAX ||
	    proof->count > MERKLE_PROOF_MAX)
		return ERR_INVALID;
	for (unsigned i = 0; i < proof->count; i++) {
		if (!sn)
			return ERR_INVALID;
		if (!(fn & 1) && fn != sn) {
			merkle_node(&r, &proof->path[i], &r);
		} else {
			merkle_node(&proof->path[i], &r, &r);
			for (; fn && !(fn & 1); fn >>= 1)
				sn >>= 1;
		}
		fn >>= 1;
		sn >>= 1;
	}
	return !sn && merkle_equal(&r, root) ? OK : ERR_INVALID;
}

enum err merkle_consistency(const struct merkle_source *src, uint64_t old,
			    uint64_t size, struct merkle_proof *proof)
{
	struct way w = { 0 };
	uint64_t start = 0;
	bool whole = true; /* the old tree is a subtree of this one so far */

	if (old > size || size > MERKLE_SIZE_MAX)
		return ERR_INVALID;
	if (!old) {
		proof->count = 0;
		return OK;
	}
	while (old != size) {
		uint64_t k = split(size);

		if (old <= k) {
			way_add(&w, start + k, size - k);
			size = k;
		} else {
			way_add(&w, start, k);
			start += k;
			old -= k;
			size -= k;
			whole = false;
		}
	}
	if (!whole)
		way_add(&w, start, size);
	return way_hashes(&w, src, proof);
}

/* RFC 9162, 2.1.4.2, for 0 < old < size. */
static enum err consistency_walk(uint64_t old,
				 const struct merkle_hash *old_root,
				 uint64_t size, const struct merkle_hash *root,
				 const struct merkle_proof *proof)
{
	uint64_t fn = old - 1, sn = size - 1;
	struct merkle_hash fr, sr;
	unsigned i = 0;

	if (old & (old - 1)) {
		if (!proof->count)
			return ERR_INVALID;
		fr = proof->path[i++];
	} else {
		fr = *old_root;
	}
	sr = fr;
	for (; fn & 1; fn >>= 1)
		sn >>= 1;
	for (; i < proof->count; i++) {
		const struct merkle_hash *c = &proof->path[i];

		if (!sn)
			return ERR_INVALID;
		if (fn & 1 || fn == sn) {
			merkle_node(c, &fr, &fr);
			merkle_node(c, &sr, &sr);
			for (; fn && !(fn & 1); fn >>= 1)
				sn >>= 1;
		} else {
			merkle_node(&sr, c, &sr);
		}
		fn >>= 1;
		sn >>= 1;
	}
	return !sn && merkle_equal(&fr, old_root) && merkle_equal(&sr, root)
		       ? OK
		       : ERR_INVALID;
}

enum err merkle_consistency_check(uint64_t old,
				  const struct merkle_hash *old_root,
				  uint64_t size, const struct merkle_hash *root,
				  const struct merkle_proof *proof)
{
	struct merkle_hash empty;

	if (old > size || size > MERKLE_SIZE_MAX ||
	    proof->count > MERKLE_PROOF_MAX)
		return ERR_INVALID;
	if (old && old != size)
		return consistency_walk(old, old_root, size, root, proof);
	if (proof->count)
		return ERR_INVALID;
	merkle_sha256(NULL, 0, NULL, 0, &empty);
	return merkle_equal(old_root, old ? root : &empty) ? OK : ERR_INVALID;
}
