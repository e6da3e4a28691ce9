/* Tests: a real zygote, real workers, and a module that attacks, in its constructor
 * and in an operation, in each way a worker can be kept: as root with a namespace the
 * supervisor made, as an ordinary user with one of its own, and without any. */
#include "credd/kinds.h"
#include "credd/roles.h"
#include "lib/confine.h"
#include "lib/num.h"
#include "tests/e2e/lib/cages.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What an attack has to meet with. */
enum meets {
	MEETS_FILTER,   /* SIGSYS; EPERM in the sanitizer variant */
	MEETS_NO_FILE,  /* the call is allowed, the file is not there for it */
	MEETS_MEMORY,   /* ENOMEM */
	MEETS_DEADLINE, /* runs until it is killed */
	MEETS_FLOOD,    /* says what a worker must not; seen, and killed */
	MEETS_ABORT,    /* ends by itself */
};

static const struct {
	const char *name;
	enum meets ctor, op;
} attacks[] = {
	{ "open", MEETS_NO_FILE, MEETS_FILTER },
	{ "proc_mem", MEETS_NO_FILE, MEETS_FILTER },
	{ "open_write", MEETS_FILTER, MEETS_FILTER },
	{ "create", MEETS_FILTER, MEETS_FILTER },
	{ "socket_inet", MEETS_FILTER, MEETS_FILTER },
	{ "socket_unix", MEETS_FILTER, MEETS_FILTER },
	{ "fork", MEETS_FILTER, MEETS_FILTER },
	{ "thread", MEETS_FILTER, MEETS_FILTER },
	{ "exec", MEETS_FILTER, MEETS_FILTER },
	{ "ptrace", MEETS_FILTER, MEETS_FILTER },
	{ "kill_parent", MEETS_FILTER, MEETS_FILTER },
	{ "kill_all", MEETS_FILTER, MEETS_FILTER },
	{ "keyctl", MEETS_FILTER, MEETS_FILTER },
	{ "read_others", MEETS_FILTER, MEETS_FILTER },
	{ "unshare", MEETS_FILTER, MEETS_FILTER },
	{ "io_uring", MEETS_FILTER, MEETS_FILTER },
	{ "bpf", MEETS_FILTER, MEETS_FILTER },
	{ "mmap_rwx", MEETS_FILTER, MEETS_FILTER },
	{ "mprotect_exec", MEETS_FILTER, MEETS_FILTER },
	{ "dup", MEETS_FILTER, MEETS_FILTER },
	{ "send_fd", MEETS_FILTER, MEETS_FILTER },
	{ "memfd", MEETS_FILTER, MEETS_FILTER },
	{ "dumpable", MEETS_FILTER, MEETS_FILTER },
	{ "mount", MEETS_FILTER, MEETS_FILTER },
	{ "setuid", MEETS_FILTER, MEETS_FILTER },
	{ "allocate", MEETS_MEMORY, MEETS_MEMORY },
	{ "loop", MEETS_DEADLINE, MEETS_DEADLINE },
	{ "flood", MEETS_FLOOD, MEETS_FLOOD },
	{ "flood_replies", MEETS_FLOOD, MEETS_FLOOD },
	{ "abort", MEETS_ABORT, MEETS_ABORT },
};

static bool expect_errno(const struct msg *m, const char *name, int a, int b)
{
	int e = (int)rig_number(m, "errno");

	return case_check(m->kind == VW_REPLY && (e == a || e == b), name,
			  "kind %u errno %d (%s), expected %d", m->kind, e,
			  strerror(e), a);
}

/* A worker owes as many answers as there are requests; who says more, or what is no
 * message, is killed, though it fills all the kernel buffers for it. */
static void expect_flood(int chan, uint64_t id, unsigned owed, const char *name)
{
	struct buf in;
	struct msg m;
	unsigned said = 0;
	enum err e;

	buf_init(&in, MSG_MAX + 4);
	do
		e = rig_get(chan, &in, &m, ANSWER_MS);
	while (e == OK && ++said <= owed);
	buf_wipe(&in);
	if (e == ERR_TIMEOUT) {
		case_failed(name, "no flood came");
		return;
	}
	rig_kill(&cage_rig, id);
	expect_end(id, name, SIGKILL, SIGKILL);
}

static void expect(enum meets meets, int chan, uint64_t id, unsigned owed,
		   const struct msg *answer, const char *name)
{
	if (meets == MEETS_FILTER && sanitized())
		(void)expect_errno(answer, name, EPERM, EACCES);
	else if (meets == MEETS_FILTER)
		expect_end(id, name, SIGSYS, SIGSYS);
	else if (meets == MEETS_NO_FILE)
		(void)expect_errno(answer, name, ENOENT, EACCES);
	else if (meets == MEETS_MEMORY && sanitized())
		case_skip(name, "sanitizers need the address space");
	else if (meets == MEETS_MEMORY)
		(void)expect_errno(answer, name, ENOMEM, ENOMEM);
	else if (meets == MEETS_DEADLINE)
		expect_deadline(chan, id, name);
	else if (meets == MEETS_FLOOD)
		expect_flood(chan, id, owed, name);
	else if (sanitized()) /* which ends with an exit code of its own */
		expect_end(id, name, 0, SIGABRT);
	else /* pid 1 of a namespace does not get the signal, and then crashes */
		expect_end(id, name, SIGABRT, SIGSEGV);
}

/* Whether an attack that meets this ends in an answer. */
static bool answers(enum meets m)
{
	return m == MEETS_NO_FILE || m == MEETS_MEMORY ||
	       (m == MEETS_FILTER && sanitized());
}

static void attack_in_ctor(size_t i)
{
	char name[CASE_NAME_MAX];
	struct msg m = { .kind = 0 };
	struct buf in;
	uint64_t id;
	int chan = hostile_start(attacks[i].name, &id);

	(void)snprintf(name, sizeof name, "%s in the constructor",
		       cage_case(attacks[i].name));
	buf_init(&in, MSG_MAX + 4);
	if (answers(attacks[i].ctor) &&
	    rig_get(chan, &in, &m, ANSWER_MS) == OK && m.kind == VW_READY) {
		rig_credential(chan, "k", NULL);
		rig_run(chan, VW_RUN, 1, "ctor", NULL, NULL);
		if (rig_get(chan, &in, &m, ANSWER_MS) != OK)
			m.kind = 0;
	}
	expect(attacks[i].ctor, chan, id, 0, &m, name);
	buf_wipe(&in);
	close(chan);
}

static void attack_in_op(size_t i)
{
	char name[CASE_NAME_MAX];
	struct msg m = { .kind = 0 };
	struct buf in;
	uint64_t id;
	int chan;

	(void)snprintf(name, sizeof name, "%s in an operation",
		       cage_case(attacks[i].name));
	buf_init(&in, MSG_MAX + 4);
	chan = hostile_ready(&id, &in, "a key of some length");
	if (chan < 0) {
		case_failed(name, "the worker does not start");
		return;
	}
	rig_run(chan, VW_RUN, 1, "attack", "attack", attacks[i].name);
	if (answers(attacks[i].op) && rig_get(chan, &in, &m, ANSWER_MS) != OK)
		m.kind = 0;
	expect(attacks[i].op, chan, id, 1, &m, name);
	buf_wipe(&in);
	close(chan);
}

/* A line of /proc/PID/status of the zygote's only child. */
static pid_t only_child(void)
{
	char path[64], text[64] = "";
	uint64_t v;
	int fd;

	(void)snprintf(path, sizeof path, "/proc/%d/task/%d/children",
		       cage_rig.zygote.pid, cage_rig.zygote.pid);
	fd = open(path, O_RDONLY);
	if (fd < 0 || read(fd, text, sizeof text - 1) <= 0)
		text[0] = 0;
	close(fd);
	return num_u64(text, strcspn(text, " "), INT32_MAX, &v) == OK ? (pid_t)v
								      : 0;
}

static bool status_has(pid_t pid, const char *line)
{
	char path[64], want[64];
	struct buf b;
	bool found;

	(void)snprintf(path, sizeof path, "/proc/%d/status", pid);
	(void)snprintf(want, sizeof want, "\n%s\n", line);
	b = rig_file(path);
	found = memmem(b.p, b.len, want, strlen(want));
	buf_wipe(&b);
	return found;
}

static bool same_ns(pid_t a, pid_t b, const char *ns)
{
	char path[64], x[64] = "?", y[64] = "!";

	(void)snprintf(path, sizeof path, "/proc/%d/ns/%s", a, ns);
	(void)!readlink(path, x, sizeof x - 1);
	(void)snprintf(path, sizeof path, "/proc/%d/ns/%s", b, ns);
	(void)!readlink(path, y, sizeof y - 1);
	return !strcmp(x, y);
}

static unsigned files_in_root(pid_t pid)
{
	char path[64];
	unsigned n = 0;
	DIR *d;

	(void)snprintf(path, sizeof path, "/proc/%d/root/", pid);
	d = opendir(path);
	for (struct dirent *e; d && (e = readdir(d));)
		n += e->d_name[0] != '.';
	if (d)
		(void)closedir(d);
	return n;
}

/* What the kernel says about a worker, seen from outside. */
static void from_outside(void)
{
	static const char *const lines[] = {
		"NoNewPrivs:\t1",
		"Seccomp:\t2",
		"CapEff:\t0000000000000000",
		"CapPrm:\t0000000000000000",
		"CapBnd:\t0000000000000000",
	};
	static const char *const spaces[] = { "pid", "net", "ipc",
					      "mnt", "uts", "cgroup" };
	char name[128];
	struct buf in;
	uint64_t id;
	int chan;
	pid_t pid;

	buf_init(&in, MSG_MAX + 4);
	chan = hostile_ready(&id, &in, "k");
	pid = only_child();
	for (size_t i = 0; i < NELEM(lines); i++) {
		/* an ordinary user cannot drop the bounding set */
		if (!strcmp(cage_mode, "plain") && strstr(lines[i], "Bnd"))
			continue;
		(void)snprintf(name, sizeof name, "worker has %s", lines[i]);
		*strchr(name, '\t') = ' ';
		case_check(status_has(pid, lines[i]), cage_case(name),
			   "pid %d has not", pid);
	}
	for (size_t i = 0; !strcmp(cage_mode, "mapped") && i < NELEM(spaces);
	     i++) {
		(void)snprintf(name, sizeof name, "worker has its own %s",
			       spaces[i]);
		case_check(!same_ns(pid, cage_rig.zygote.pid, spaces[i]),
			   cage_case(name), "it has the zygote's");
	}
	if (!strcmp(cage_mode, "mapped")) {
		case_check(files_in_root(pid) == 1,
			   cage_case("one file in the worker's root"), "%u",
			   files_in_root(pid));
		case_check(status_has(pid, "Uid:\t62991\t62991\t62991\t62991"),
			   cage_case("worker has a uid of its own"), "not so");
	}
	rig_kill(&cage_rig, id);
	expect_end(id, cage_case("a worker is killed on request"), SIGKILL,
		   SIGKILL);
	buf_wipe(&in);
	close(chan);
}

static void run_all(void)
{
	from_outside();
	for (size_t i = 0; i < NELEM(attacks); i++) {
		attack_in_ctor(i);
		attack_in_op(i);
	}
}

int main(int argc, char **argv)
{
	int bad = 0;

	if (argc == 2 && !strcmp(argv[1], "--role=zygote"))
		return role_zygote();
	hostile_load();
	if (getuid())
		case_skip("worker/mapped", "needs root");
	else
		bad = cage_try("mapped", run_all);
	bad |= cage_try("single", run_all);
	bad |= cage_try("plain", run_all);
	return bad;
}
