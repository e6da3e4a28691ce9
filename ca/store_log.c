/* Store: records of the audit log and the tree over them. Of the tree only the roots
 * of whole tiles are kept (one row in 256 records); leaves are hashed again from their
 * records, of which a proof needs a few hundred. */
#include "ca/store_log.h"

#include "lib/note.h"

#include <string.h>

enum {
	TILE = 1 << MERKLE_TILE_BITS,
};

/* Hashes from rows */

static enum err leaf_hash(struct store_db *db, uint64_t index,
			  struct merkle_hash *out, struct fault *f)
{
	struct attr_view v;
	sqlite3_stmt *s;
	bool row;

	TRY(store_sql(db, SQL_LOG_GET, &s, f));
	store_bind_u64(s, 1, index);
	TRY(store_step(db, s, &row, f));
	if (!row)
		return store_damaged(f, "a record of its log is missing");
	v = store_col_bytes(s, 0);
	merkle_leaf(v.p, v.len, out);
	(void)sqlite3_reset(s);
	return OK;
}

static enum err tile_hash(struct store_db *db, unsigned level, uint64_t index,
			  struct merkle_hash *out, struct fault *f)
{
	struct attr_view v = { 0 };
	sqlite3_stmt *s;
	bool row;

	TRY(store_sql(db, SQL_TILE_GET, &s, f));
	store_bind_u64(s, 1, level);
	store_bind_u64(s, 2, index);
	TRY(store_step(db, s, &row, f));
	if (row)
		v = store_col_bytes(s, 0);
	if (v.len != MERKLE_HASH)
		return store_damaged(f, "a tile of its log is missing");
	memcpy(out->b, v.p, MERKLE_HASH);
	(void)sqlite3_reset(s);
	return OK;
}

/* Level 0: a leaf. */
static enum err hash_at(struct store_db *db, unsigned level, uint64_t index,
			struct merkle_hash *out, struct fault *f)
{
	if (!level)
		return leaf_hash(db, index, out, f);
	return tile_hash(db, level, index, out, f);
}

/* Opening */

static enum err part_open(struct store_db *db, unsigned level, struct fault *f)
{
	uint64_t count = db->now.log_size >> level * MERKLE_TILE_BITS;
	struct merkle *part = &db->now.part[level];
	struct merkle_hash h;

	merkle_init(part);
	for (uint64_t i = count - count % TILE; i < count; i++) {
		TRY(hash_at(db, level, i, &h, f));
		merkle_append(part, &h);
	}
	return OK;
}

/* The tree of the first `size` records, from as few rows as there can be. */
static enum err tree_of(struct store_db *db, uint64_t size, struct merkle *out,
			struct fault *f)
{
	struct merkle_hash h;

	merkle_init(out);
	for (unsigned level = MERKLE_TILES; level-- > 0;) {
		unsigned height = level * MERKLE_TILE_BITS;

		while ((size - out->size) >> height) {
			TRY(hash_at(db, level, out->size >> height, &h, f));
			merkle_append_tree(out, height, &h);
		}
	}
	return OK;
}

/* What a checkpoint was signed over is what the rows say still: tiles, and records
 * after the last whole one. Records of whole tiles are not read here. */
static enum err check_note(struct store_db *db, sqlite3_stmt *s,
			   struct fault *f)
{
	struct attr_view text = store_col_bytes(s, 1);
	struct merkle_hash root;
	struct merkle tree;
	struct note n;

	if (note_parse(text.p, text.len, &n, f) != OK ||
	    n.size != store_col_u64(s, 0))
		return store_damaged(f, "its last checkpoint");
	db->now.note_size = n.size;
	if (n.size > db->now.log_size)
		return OK; /* cut: the issuer says so */
	TRY(tree_of(db, n.size, &tree, f));
	merkle_root(&tree, &root);
	if (!merkle_equal(&root, &n.root))
		return store_damaged(f, "its log is not what the last "
					"checkpoint was signed over");
	return OK;
}

enum err store_log_open(struct store_db *db, struct fault *f)
{
	sqlite3_stmt *s;
	bool row;
	enum err e;

	for (unsigned level = 0; level < MERKLE_TILES; level++)
		TRY(part_open(db, level, f));
	db->now.note_size = 0;
	TRY(store_sql(db, SQL_NOTE_LAST, &s, f));
	TRY(store_step(db, s, &row, f));
	e = row ? check_note(db, s, f) : OK;
	(void)sqlite3_reset(s);
	return e;
}

/* Writing */

static enum err put_tile(struct store_db *db, unsigned level, uint64_t index,
			 const struct merkle_hash *h, struct fault *f)
{
	sqlite3_stmt *s;

	TRY(store_sql(db, SQL_TILE_ADD, &s, f));
	store_bind_u64(s, 1, level);
	store_bind_u64(s, 2, index);
	store_bind_blob(s, 3, (struct attr_view){ h->b, MERKLE_HASH });
	return store_run(db, s, f);
}

/* A tile that is full becomes a row, and a leaf of the tile above. */
static enum err tree_add(struct store_db *db, struct merkle_hash h,
			 struct fault *f)
{
	uint64_t size = db->want.log_size;

	for (unsigned level = 0; level < MERKLE_TILES; level++) {
		struct merkle *part = &db->want.part[level];

		merkle_append(part, &h);
		if (part->size < TILE)
			return OK;
		merkle_root(part, &h);
		merkle_init(part);
		TRY(put_tile(db, level + 1,
			     (size >> (level + 1) * MERKLE_TILE_BITS) - 1, &h,
			     f));
	}
	return OK;
}

enum err store_log_add(struct store_db *db, struct attr_view record,
		       struct fault *f)
{
	struct merkle_hash h;
	sqlite3_stmt *s;

	TRY(store_sql(db, SQL_LOG_ADD, &s, f));
	store_bind_u64(s, 1, db->want.log_size);
	store_bind_blob(s, 2, record);
	TRY(store_run(db, s, f));
	merkle_leaf(record.p, record.len, &h);
	db->want.log_size++;
	return tree_add(db, h, f);
}

enum err store_log_note(struct store_db *db, struct attr_view text,
			struct attr_view frontier, struct fault *f)
{
	struct merkle m;
	struct note n;
	sqlite3_stmt *s;

	TRY(note_parse(text.p, text.len, &n, f));
	if (merkle_parse(frontier.p, frontier.len, &m) != OK ||
	    m.size != n.size || n.size > db->want.log_size ||
	    n.size < db->want.note_size)
		return fault_set(f, ERR_INVALID,
				 "a checkpoint does not fit the log");
	TRY(store_sql(db, SQL_NOTE_ADD, &s, f));
	store_bind_u64(s, 1, n.size);
	store_bind_text(s, 2, text);
	TRY(store_run(db, s, f));
	TRY(store_sql(db, SQL_FRONTIER_PUT, &s, f));
	store_bind_blob(s, 1, frontier);
	TRY(store_run(db, s, f));
	db->want.note_size = n.size;
	return OK;
}

/* Proofs */

struct source {
	struct store_db *db;
	struct fault *f;
};

static enum err source_leaf(void *arg, uint64_t index, struct merkle_hash *out)
{
	struct source *s = arg;

	return leaf_hash(s->db, index, out, s->f);
}

static enum err source_tile(void *arg, unsigned level, uint64_t index,
			    struct merkle_hash *out)
{
	struct source *s = arg;

	return tile_hash(s->db, level, index, out, s->f);
}

static enum err check_range(const struct store_db *db, uint64_t first,
			    uint64_t size, struct fault *f)
{
	if (first <= size && size <= db->now.log_size)
		return OK;
	return fault_set(f, ERR_INVALID,
			 "the log has %llu records: nothing can be proved "
			 "about %llu in %llu",
			 (unsigned long long)db->now.log_size,
			 (unsigned long long)first, (unsigned long long)size);
}

enum err store_log_prove(struct store_db *db, uint64_t index, uint64_t size,
			 struct merkle_proof *proof, struct fault *f)
{
	struct source at = { db, f };
	struct merkle_source src = { .leaf = source_leaf,
				     .arg = &at,
				     .tile = source_tile };

	TRY(check_range(db, index + 1, size, f));
	return merkle_inclusion(&src, index, size, proof);
}

enum err store_log_extend(struct store_db *db, uint64_t old, uint64_t size,
			  struct merkle_proof *proof, struct fault *f)
{
	struct source at = { db, f };
	struct merkle_source src = { .leaf = source_leaf,
				     .arg = &at,
				     .tile = source_tile };

	TRY(check_range(db, old, size, f));
	return merkle_consistency(&src, old, size, proof);
}
