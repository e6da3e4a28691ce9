/* Vault: a log goes on after its keeper was started anew: what the keeper has must be
 * what was acknowledged, and then what was handed over. Holds what lib/audit.c holds. */
#include "lib/audit_state.h"

/* What it has beyond the kept must be the first of what was with the sink. */
static enum err check_regrown(const struct audit *a, const struct audit_tail *t,
			      struct fault *f)
{
	struct merkle m = a->kept;
	struct merkle_hash leaf, made, found;

	for (size_t i = 0; m.size < t->tree.size; i++) {
		const struct waiting *w = audit_waiting_at(a, i);

		merkle_leaf(w->p, w->len, &leaf);
		merkle_append(&m, &leaf);
	}
	merkle_root(&m, &made);
	merkle_root(&t->tree, &found);
	if (merkle_equal(&made, &found))
		return OK;
	return fault_set(f, ERR_CONFLICT,
			 "the audit log was changed: its %llu records are not "
			 "those that were written",
			 (unsigned long long)t->tree.size);
}

enum err audit_resume(struct audit *a, const struct audit_tail *t,
		      struct fault *f)
{
	uint64_t size = t->tree.size, kept = a->kept.size;

	if (size < kept)
		return fault_set(
			f, ERR_CONFLICT,
			"the audit log was cut: it holds %llu records, "
			"%llu were acknowledged",
			(unsigned long long)size, (unsigned long long)kept);
	if (size > kept + a->flying)
		return fault_set(f, ERR_CONFLICT,
				 "the audit log holds %llu records, only %llu "
				 "were written",
				 (unsigned long long)size,
				 (unsigned long long)(kept + a->flying));
	if (a->noted && (!t->noted || t->note.size < a->note_size))
		return fault_set(
			f, ERR_CONFLICT,
			"the audit log's checkpoints were cut: the one "
			"of size %llu is missing",
			(unsigned long long)a->note_size);
	TRY(check_regrown(a, t, f));
	while (a->kept.size < size)
		audit_keep_first(a);
	a->flying = 0;
	audit_take_note(a, t);
	return OK;
}
