/* Benchmark: the memory of an idle credd that has signed with one credential: PSS of
 * all its processes, and the most each role ever had. */
#include "lib/clock.h"
#include "lib/num.h"
#include "tests/bench/lib/load.h"
#include "tests/bench/lib/stage.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	PROCS = 4096,
	NAME = 32,
};

struct proc {
	uint64_t pid, parent;
	bool ours; /* credd or below it */
	char name[NAME];
};

static struct proc all[PROCS];
static size_t count;

/* The number after `key` in /proc/PID/file; 0 if it is not there. */
static uint64_t field(uint64_t pid, const char *file, const char *key)
{
	char path[64], line[256];
	uint64_t v = 0;
	FILE *f;

	(void)snprintf(path, sizeof path, "/proc/%llu/%s",
		       (unsigned long long)pid, file);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof line, f)) {
		char *at = line + strlen(key);
		size_t n;

		if (strncmp(line, key, strlen(key)) != 0)
			continue;
		at += strspn(at, " \t");
		n = strspn(at, "0123456789");
		if (num_u64(at, n, UINT64_MAX, &v) == OK)
			break;
	}
	if (f)
		(void)fclose(f);
	return v;
}

/* argv[0] without its folder. */
static void name_of(struct proc *p)
{
	char path[64], line[256] = "";
	const char *slash;
	FILE *f;

	(void)snprintf(path, sizeof path, "/proc/%llu/cmdline",
		       (unsigned long long)p->pid);
	f = fopen(path, "re");
	if (f && !fread(line, 1, sizeof line - 1, f))
		line[0] = 0;
	if (f)
		(void)fclose(f);
	slash = strrchr(line, '/');
	(void)snprintf(p->name, sizeof p->name, "%.31s",
		       slash ? slash + 1 : line);
}

static void read_procs(void)
{
	DIR *d = opendir("/proc");
	struct dirent *e;

	count = 0;
	while (d && (e = readdir(d)) && count < PROCS) {
		struct proc *p = &all[count];

		*p = (struct proc){ 0 };
		if (num_u64(e->d_name, strlen(e->d_name), INT32_MAX, &p->pid) !=
		    OK)
			continue;
		p->parent = field(p->pid, "status", "PPid:");
		name_of(p);
		count++;
	}
	if (d)
		closedir(d);
}

/* credd is our sibling, its children are below it. */
static void find_ours(void)
{
	bool more = true;

	for (size_t i = 0; i < count; i++)
		all[i].ours = all[i].parent == (uint64_t)getppid() &&
			      !strcmp(all[i].name, "credd");
	while (more) {
		more = false;
		for (size_t i = 0; i < count; i++) {
			for (size_t k = 0; k < count && !all[i].ours; k++) {
				if (!all[k].ours || all[i].parent != all[k].pid)
					continue;
				all[i].ours = more = true;
			}
		}
	}
}

static void sign_for_a_while(uint64_t ns, unsigned conns, unsigned window)
{
	char *socket = xstrdup(bench_socket(0));
	struct attrs call;
	struct load *l;

	bench_call("sample", &call);
	l = load_new(conns, window, attrs_view(&call), bench_connect, socket);
	(void)load_run(l, ns);
	load_free(l);
	attrs_wipe(&call);
	free(socket);
}

static double pss(void)
{
	double kib = 0;

	read_procs();
	find_ours();
	for (size_t i = 0; i < count; i++)
		if (all[i].ours)
			kib += (double)field(all[i].pid, "smaps_rollup",
					     "Pss:");
	return kib / 1024;
}

int main(int argc, char **argv)
{
	double idle, after;

	(void)argc;
	bench_enter(argv);
	sign_for_a_while(50 * CLOCK_MS, 1, 1);
	idle = pss();
	sign_for_a_while(bench_round_ns(), 64, 1);
	sign_for_a_while(bench_round_ns(), 8, 32);
	after = pss();
	bench_heading("memory");
	bench_at_most("PSS of all processes, idle, one credential used", idle,
		      16, "MiB");
	bench_figure("  … after signing at 64 x 1 and at 8 x 32", after, "MiB");
	for (size_t i = 0; i < count; i++) {
		char what[64];

		if (!all[i].ours)
			continue;
		(void)snprintf(what, sizeof what, "  peak of %s", all[i].name);
		bench_figure(what,
			     (double)field(all[i].pid, "status", "VmHWM:") /
				     1024,
			     "MiB");
	}
	return 0;
}
