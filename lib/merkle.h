/* Merkle trees over SHA-256 as RFC 6962 (section 2) and RFC 9162 hash them:
 *	leaf = SHA-256(00 | record)	node = SHA-256(01 | left | right)
 * The root of no leaves at all is SHA-256 of nothing.
 *
 * A struct merkle is the frontier (compact range): the roots of the perfect
 * subtrees that make up the tree, one for every bit of its size. It is all that is
 * needed to append and to know the root, whatever the size. */
#ifndef LIB_MERKLE_H
#define LIB_MERKLE_H

#include "lib/buf.h"
#include "lib/rd.h"

enum {
	MERKLE_HASH = 32,
	MERKLE_LEVELS = 63,    /* sizes below 2^63 */
	MERKLE_PROOF_MAX = 64, /* hashes in a proof */
	MERKLE_TILE_BITS = 8,  /* a tile of level n has 256^n leaves */
	MERKLE_TILES = 7,      /* levels of tiles, from 1 on */
};

#define MERKLE_SIZE_MAX (UINT64_MAX >> 1)

struct merkle_hash {
	uint8_t b[MERKLE_HASH];
};

struct merkle {
	uint64_t size;
	/* level[i], if bit i of size is set: the subtree of 2^i leaves */
	struct merkle_hash level[MERKLE_LEVELS];
};

struct merkle_proof {
	unsigned count;
	struct merkle_hash path[MERKLE_PROOF_MAX];
};

/* Where proofs get hashes from. A failure is passed on. */
struct merkle_source {
	enum err (*leaf)(void *arg, uint64_t index, struct merkle_hash *out);
	void *arg;
	/* The root of tile `index` of a level: of the leaves from index * 256^level
	 * on, that many, all of which are there. With it a proof over n leaves asks
	 * for a few hundred hashes instead of n. NULL: there are only leaves. */
	enum err (*tile)(void *arg, unsigned level, uint64_t index,
			 struct merkle_hash *out);
};

/* The leaf hash of a record; the hash of a node; SHA-256 of a, then b. They share
 * one OpenSSL context a thread, made at first use and kept. */
void merkle_leaf(const void *record, size_t len, struct merkle_hash *out);
void merkle_node(const struct merkle_hash *left,
		 const struct merkle_hash *right, struct merkle_hash *out);
void merkle_sha256(const void *a, size_t a_len, const void *b, size_t b_len,
		   struct merkle_hash *out);

bool merkle_equal(const struct merkle_hash *a, const struct merkle_hash *b);

/* An empty tree. */
void merkle_init(struct merkle *m);

/* Appends one leaf hash: one node hash on average. */
void merkle_append(struct merkle *m, const struct merkle_hash *leaf);

/* Appends the root of 2^height leaves; the size must be a multiple of that. */
void merkle_append_tree(struct merkle *m, unsigned height,
			const struct merkle_hash *root);

void merkle_root(const struct merkle *m, struct merkle_hash *out);

/* Frontier as bytes: size u64 | the hashes of the set bits, highest first. */
enum {
	MERKLE_BYTES_MAX = 8 + MERKLE_LEVELS * MERKLE_HASH
};
MUST enum err merkle_format(const struct merkle *m, struct buf *out);

/* ERR_INVALID unless p is exactly one frontier. */
MUST enum err merkle_parse(const void *p, size_t len, struct merkle *m);

/* Proof that leaf `index` is in the tree of `size` leaves. Asks the source for every
 * other leaf (or a tile that has it) once, in order within each subtree. ERR_INVALID
 * if index >= size. */
MUST enum err merkle_inclusion(const struct merkle_source *src, uint64_t index,
			       uint64_t size, struct merkle_proof *proof);

/* ERR_INVALID unless the proof shows it. */
MUST enum err merkle_inclusion_check(const struct merkle_hash *leaf,
				     uint64_t index, uint64_t size,
				     const struct merkle_proof *proof,
				     const struct merkle_hash *root);

/* Proof that the tree of `size` leaves extends the tree of its first `old` ones.
 * Empty if old is 0 or equals size. ERR_INVALID if old > size. */
MUST enum err merkle_consistency(const struct merkle_source *src, uint64_t old,
				 uint64_t size, struct merkle_proof *proof);

/* ERR_INVALID unless the proof shows it. Every tree extends the empty one. */
MUST enum err merkle_consistency_check(uint64_t old,
				       const struct merkle_hash *old_root,
				       uint64_t size,
				       const struct merkle_hash *root,
				       const struct merkle_proof *proof);

#endif
