/* Vault: reading back where the log stands, before going on with it. Holds hashes and
 * the log's public key. */
#include "lib/audit.h"

#include <string.h>

typedef unsigned long long ull;

enum err audit_tail_open(struct audit_tail *t, const char *origin,
			 const uint8_t key[NOTE_PUBLIC], struct attr_view note,
			 struct attr_view frontier, struct fault *f)
{
	struct merkle_hash root;

	merkle_init(&t->tree);
	t->noted = false;
	if (!note.len)
		return OK;
	TRY(note_verify(note.p, note.len, key, origin, &t->note, f));
	if (merkle_parse(frontier.p, frontier.len, &t->tree) != OK)
		return fault_set(
			f, ERR_INVALID,
			"the frontier beside the last checkpoint of the "
			"audit log is damaged");
	merkle_root(&t->tree, &root);
	if (t->tree.size != t->note.size || !merkle_equal(&root, &t->note.root))
		return fault_set(
			f, ERR_INVALID,
			"the frontier beside the last checkpoint of the "
			"audit log is not the tree the checkpoint signs: "
			"it was changed");
	t->noted = true;
	return OK;
}

enum err audit_tail_add(struct audit_tail *t, uint64_t index,
			struct attr_view record, struct fault *f)
{
	struct merkle_hash leaf;

	if (index != t->tree.size)
		return fault_set(
			f, ERR_CONFLICT,
			"audit record %llu was given where record %llu "
			"belongs",
			(ull)index, (ull)t->tree.size);
	merkle_leaf(record.p, record.len, &leaf);
	merkle_append(&t->tree, &leaf);
	return OK;
}

enum err audit_tail_end(const struct audit_tail *t, uint64_t size,
			struct fault *f)
{
	if (t->tree.size == size)
		return OK;
	if (t->noted && size < t->note.size)
		return fault_set(
			f, ERR_CONFLICT,
			"the audit log was cut: it holds %llu records, "
			"its last checkpoint covers %llu",
			(ull)size, (ull)t->note.size);
	return fault_set(f, ERR_CONFLICT,
			 "the audit log says that it holds %llu records, but "
			 "gave %llu",
			 (ull)size, (ull)t->tree.size);
}

enum err audit_check_generation(uint64_t note, uint64_t store, struct fault *f)
{
	if (store >= note)
		return OK;
	return fault_set(
		f, ERR_CONFLICT,
		"the store is older than its audit log: generation "
		"%llu, the log says %llu: put back the newer store that "
		"belongs to this log",
		(ull)store, (ull)note);
}

enum err audit_check_size(uint64_t size, uint64_t sealed, struct fault *f)
{
	if (size >= sealed)
		return OK;
	return fault_set(f, ERR_CONFLICT,
			 "the audit log was cut: it holds %llu records, the "
			 "store knows of %llu: put the missing ones back",
			 (ull)size, (ull)sealed);
}
