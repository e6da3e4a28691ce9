/* Benchmarks: the processes of the playground's credd, and what they have used. */
#ifndef TESTS_BENCH_PROCS_H
#define TESTS_BENCH_PROCS_H

#include <stddef.h>
#include <stdint.h>

enum {
	PROCS_MAX = 64,
	PROC_NAME = 32,
};

struct proc {
	uint64_t pid, parent;
	char name[PROC_NAME]; /* credd, credd-vault, …, credd-worker */
};

struct procs {
	struct proc at[PROCS_MAX];
	size_t count;
};

/* Those that are there now, credd first. */
void procs_read(struct procs *p);

/* The number after `key` in /proc/PID/file; 0 if it is not there. */
uint64_t proc_field(const struct proc *p, const char *file, const char *key);

/* Nanoseconds it has run on a processor. */
uint64_t proc_cpu_ns(const struct proc *p);

#endif
