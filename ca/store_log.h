/* The audit log as rows: records, the roots of whole tiles, checkpoints, proofs. */
#ifndef CA_STORE_LOG_H
#define CA_STORE_LOG_H

#include "ca/store_db.h"

/* db->now.log_size is known: makes the partial tiles after the last whole ones, and
 * finds the last checkpoint. */
MUST enum err store_log_open(struct store_db *db, struct fault *f);

/* In a transaction: the next record. */
MUST enum err store_log_add(struct store_db *db, struct attr_view record,
			    struct fault *f);

/* In a transaction: a checkpoint over at most what the log has then. ERR_INVALID if
 * text or frontier are none. */
MUST enum err store_log_note(struct store_db *db, struct attr_view text,
			     struct attr_view frontier, struct fault *f);

/* As merkle_inclusion, merkle_consistency; ERR_INVALID if the log has fewer records
 * than size. */
MUST enum err store_log_prove(struct store_db *db, uint64_t index,
			      uint64_t size, struct merkle_proof *proof,
			      struct fault *f);
MUST enum err store_log_extend(struct store_db *db, uint64_t old, uint64_t size,
			       struct merkle_proof *proof, struct fault *f);

#endif
