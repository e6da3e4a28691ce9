/* Used by vault (writing), the command (verifying) and ca; holds hashes, which are
 * no secret. */
#include "lib/merkle.h"

#include <openssl/evp.h>
#include <string.h>

enum {
	LEAF = 0x00,
	NODE = 0x01
};

/* Fetching the algorithm costs more than the hash of a record, so once a thread. */
static _Thread_local EVP_MD *sha256;
static _Thread_local EVP_MD_CTX *sha256_ctx;

static EVP_MD_CTX *hash_start(void)
{
	if (!sha256_ctx) {
		sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
		sha256_ctx = EVP_MD_CTX_new();
		ENSURE(sha256 && sha256_ctx);
	}
	ENSURE(EVP_DigestInit_ex2(sha256_ctx, sha256, NULL) == 1);
	return sha256_ctx;
}

static void hash_end(EVP_MD_CTX *c, struct merkle_hash *out)
{
	ENSURE(EVP_DigestFinal_ex(c, out->b, NULL) == 1);
}

static void hash_add(EVP_MD_CTX *c, const void *p, size_t n)
{
	if (n)
		ENSURE(EVP_DigestUpdate(c, p, n) == 1);
}

void merkle_leaf(const void *record, size_t len, struct merkle_hash *out)
{
	static const uint8_t prefix = LEAF;
	EVP_MD_CTX *c = hash_start();

	hash_add(c, &prefix, 1);
	hash_add(c, record, len);
	hash_end(c, out);
}

void merkle_node(const struct merkle_hash *left,
		 const struct merkle_hash *right, struct merkle_hash *out)
{
	uint8_t both[1 + 2 * MERKLE_HASH] = { NODE };
	EVP_MD_CTX *c = hash_start();

	memcpy(both + 1, left->b, MERKLE_HASH);
	memcpy(both + 1 + MERKLE_HASH, right->b, MERKLE_HASH);
	hash_add(c, both, sizeof both);
	hash_end(c, out);
}

void merkle_sha256(const void *a, size_t a_len, const void *b, size_t b_len,
		   struct merkle_hash *out)
{
	EVP_MD_CTX *c = hash_start();

	hash_add(c, a, a_len);
	hash_add(c, b, b_len);
	hash_end(c, out);
}

bool merkle_equal(const struct merkle_hash *a, const struct merkle_hash *b)
{
	return !memcmp(a->b, b->b, MERKLE_HASH);
}

void merkle_init(struct merkle *m)
{
	m->size = 0;
}

/* Adding to the size carries through its set bits: each carry joins two subtrees of
 * one height. */
void merkle_append_tree(struct merkle *m, unsigned height,
			const struct merkle_hash *root)
{
	uint64_t leaves = (uint64_t)1 << height;
	struct merkle_hash h = *root;
	unsigned i = height;

	ENSURE(height < MERKLE_LEVELS && !(m->size & (leaves - 1)));
	ENSURE(m->size <= MERKLE_SIZE_MAX - leaves);
	for (; m->size >> i & 1; i++)
		merkle_node(&m->level[i], &h, &h);
	m->level[i] = h;
	m->size += leaves;
}

void merkle_append(struct merkle *m, const struct merkle_hash *leaf)
{
	merkle_append_tree(m, 0, leaf);
}

/* Larger subtrees stand left of smaller ones. */
void merkle_root(const struct merkle *m, struct merkle_hash *out)
{
	struct merkle_hash h = { 0 };
	bool any = false;

	for (unsigned i = 0; i < MERKLE_LEVELS; i++) {
		if (!(m->size >> i & 1))
			continue;
		if (any)
			merkle_node(&m->level[i], &h, &h);
		else
			h = m->level[i];
		any = true;
	}
	if (any)
		*out = h;
	else
		merkle_sha256(NULL, 0, NULL, 0, out);
}

enum err merkle_format(const struct merkle *m, struct buf *out)
{
	TRY(buf_reserve(out, MERKLE_BYTES_MAX));
	TRY(buf_u64(out, m->size));
	for (unsigned i = MERKLE_LEVELS; i-- > 0;)
		if (m->size >> i & 1)
			TRY(buf_put(out, m->level[i].b, MERKLE_HASH));
	return OK;
}

enum err merkle_parse(const void *p, size_t len, struct merkle *m)
{
	struct rd r = rd_from(p, len);
	struct merkle got;

	TRY(rd_u64(&r, &got.size));
	if (got.size > MERKLE_SIZE_MAX)
		return ERR_INVALID;
	for (unsigned i = MERKLE_LEVELS; i-- > 0;)
		if (got.size >> i & 1)
			TRY(rd_copy(&r, MERKLE_HASH, got.level[i].b));
	TRY(rd_end(&r));
	m->size = got.size;
	for (unsigned i = 0; i < MERKLE_LEVELS; i++)
		if (got.size >> i & 1)
			m->level[i] = got.level[i];
	return OK;
}
