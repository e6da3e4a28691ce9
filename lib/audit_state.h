/* What lib/audit.c and lib/audit_resume.c share: the state of a log being written. */
#ifndef LIB_AUDIT_STATE_H
#define LIB_AUDIT_STATE_H

#include "lib/audit.h"
#include "lib/audit_denial.h"
#include "lib/clock.h"

struct waiting {
	uint8_t *p; /* owned */
	uint32_t len;
	bool admin;
};

struct audit {
	struct audit_sink sink;
	char origin[NOTE_ORIGIN_MAX + 1];
	struct secret *seed;
	uint8_t key[NOTE_PUBLIC];
	bool sync;

	struct merkle kept;   /* what was acknowledged */
	struct waiting *ring; /* what was not; oldest at head */
	size_t cap, head, count, bytes;
	size_t flying;       /* of those, how many the sink has */
	uint64_t full_until; /* boottime: no ordinary records before */

	bool noting; /* a checkpoint is with the sink */
	bool noted;  /* there is one; its size and generation: */
	uint64_t note_size, note_generation;
	uint64_t next_size, next_generation; /* of the one with the sink */
	uint64_t note_boot;

	struct denials denials;
	struct attrs scratch;
	struct attr_view *batch;
	int64_t second; /* whose text begins when */
	char when[CLOCK_TEXT];
};

/* The i-th record that waits, the oldest first. */
struct waiting *audit_waiting_at(const struct audit *a, size_t i);

/* The last checkpoint is what the tail says. */
void audit_take_note(struct audit *a, const struct audit_tail *t);

/* The oldest record is kept now. */
void audit_keep_first(struct audit *a);

#endif
