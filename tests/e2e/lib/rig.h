/* The part of supervisor and vault, played for a real zygote, so that its workers
 * can be attacked one by one. */
#ifndef TESTS_RIG_H
#define TESTS_RIG_H

#include "lib/chan.h"
#include "lib/proc.h"

/* Cases as scripts/run-tests counts them. */
void case_ok(const char *fmt, ...) PRINTF(1, 2);
void case_failed(const char *name, const char *fmt, ...) PRINTF(2, 3);
void case_skip(const char *name, const char *why);
bool case_check(bool good, const char *name, const char *fmt, ...) PRINTF(3, 4);
int cases_failed(void);

struct rig {
	struct proc zygote;
	int sup;
	int vault;
	unsigned weaker; /* sentences in SUP_READY */
	char text[512];  /* the last of them */
	struct buf in;
	uint64_t next_id;
};

/* Starts our own binary as the zygote and brings it to where it takes orders. uid:
 * what a zygote without a user namespace made for it shall become (0: stay). */
MUST enum err rig_start(struct rig *r, const struct proc_idmap *map, uid_t uid,
			struct fault *f);
void rig_stop(struct rig *r);

/* The bytes of a file, and a sealed memfd of them; exits if there are none. */
struct buf rig_file(const char *path);
int rig_memfd(const struct buf *b, bool seal);

/* A worker for the module; its channel, or -1. *id is how the zygote knows it. */
int rig_spawn(struct rig *r, int module, uint64_t memory, uint64_t *id);
void rig_kill(struct rig *r, uint64_t id);

/* Waits for VZ_ENDED of id. False if the zygote says nothing for 10 s. */
bool rig_ended(struct rig *r, uint64_t id, int *sig, char *reason, size_t size);

/* One message of a worker, into in. */
MUST enum err rig_get(int chan, struct buf *in, struct msg *m, unsigned ms);

/* Sends VW_CREDENTIAL key=, sent=; VW_RUN op= with one request attribute. */
void rig_credential(int chan, const char *key, const char *sent);
void rig_run(int chan, uint32_t kind, uint64_t id, const char *op,
	     const char *name, const char *value);

/* The value as text ("" if there is none). Static, overwritten by the third next. */
const char *rig_text(const struct msg *m, const char *name);

/* The same as a number; -1 if it is none. */
long rig_number(const struct msg *m, const char *name);

#endif
