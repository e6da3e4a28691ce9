/* Benchmarks only: see procs.h. Read from /proc by whoever measures. */
#include "tests/bench/lib/procs.h"

#include "lib/num.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

uint64_t proc_field(const struct proc *p, const char *file, const char *key)
{
	char path[64], line[256];
	uint64_t v = 0;
	FILE *f;

	(void)snprintf(path, sizeof path, "/proc/%llu/%s",
		       (unsigned long long)p->pid, file);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof line, f)) {
		char *at = line + strlen(key);

		if (strncmp(line, key, strlen(key)) != 0)
			continue;
		at += strspn(at, " \t");
		if (num_u64(at, strspn(at, "0123456789"), UINT64_MAX, &v) == OK)
			break;
	}
	if (f)
		(void)fclose(f);
	return v;
}

uint64_t proc_cpu_ns(const struct proc *p)
{
	return proc_field(p, "schedstat", "");
}

/* argv[0] without its folder. A worker is a child of the zygote and has its name. */
static void name_of(struct proc *p, const struct proc *parent)
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
	if (parent && !strcmp(parent->name, "credd-zygote"))
		(void)snprintf(p->name, sizeof p->name, "credd-worker");
}

/* Adds the children of pid, and of a known parent what is below them. */
static void add_children(struct procs *ps, uint64_t pid,
			 const struct proc *parent)
{
	DIR *d = opendir("/proc");
	size_t from = ps->count;
	struct dirent *e;

	while (d && (e = readdir(d)) && ps->count < PROCS_MAX) {
		struct proc *p = &ps->at[ps->count];

		*p = (struct proc){ .pid = 0 };
		if (num_u64(e->d_name, strlen(e->d_name), INT32_MAX, &p->pid) !=
		    OK)
			continue;
		p->parent = proc_field(p, "status", "PPid:");
		if (p->parent != pid)
			continue;
		name_of(p, parent);
		if (parent || !strcmp(p->name, "credd"))
			ps->count++;
	}
	if (d)
		closedir(d);
	for (size_t i = from; i < ps->count; i++)
		if (ps->at[i].parent == pid)
			add_children(ps, ps->at[i].pid, &ps->at[i]);
}

/* credd is our sibling: the playground's keeper has started both. */
void procs_read(struct procs *p)
{
	p->count = 0;
	add_children(p, (uint64_t)getppid(), NULL);
}
