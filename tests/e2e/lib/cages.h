/* What tests of workers share: the module that attacks, and each way in which a
 * worker can be kept, tried in a process of its own. The program is the zygote's
 * binary, too: proc_spawn starts what it runs in. */
#ifndef TESTS_CAGES_H
#define TESTS_CAGES_H

#include "tests/e2e/lib/rig.h"

enum {
	CASE_NAME_MAX = 512,
	ANSWER_MS = 120000,
	DEADLINE_MS = 300, /* what a vault would give a request here */
};

extern const char
	*cage_mode; /* mapped, single, plain; pid1: mapped, and the zygote
			       * is pid 1 of a namespace */
extern struct rig cage_rig; /* the zygote under test */
extern const struct proc_idmap *cage_map;
extern struct buf hostile_module; /* hostile.so */

/* Runs run(), with a zygote of that mode, in a child. Not zero if a case failed. */
int cage_try(const char *mode, void (*run)(void));

/* Reads build/tests/modules/hostile.so. */
void hostile_load(void);

/* "worker/mode/what"; static, overwritten by the next. */
const char *cage_case(const char *what);
bool sanitized(void);

/* The module as a sealed memfd, with that attack in its constructor. */
int hostile_memfd(const char *ctor);

/* A worker with that module; its channel. */
int hostile_start(const char *ctor, uint64_t *id);

/* One that has a credential, and is sound so far; -1 if it does not come up. */
int hostile_ready(uint64_t *id, struct buf *in, const char *key);

/* The worker ends by one of two signals. */
void expect_end(uint64_t id, const char *name, int a, int b);

/* It says nothing until its deadline, and is killed then. */
void expect_deadline(int chan, uint64_t id, const char *name);

#endif
