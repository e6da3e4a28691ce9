/* Tests: a real zygote, real workers, and a module that attacks, in its constructor
 * and in an operation, in each way a worker can be kept: as root with a namespace the
 * supervisor made, as an ordinary user with one of its own, and without any. This
 * program is the zygote's binary, too: proc_spawn starts what it runs in. */
#include "credd/kinds.h"
#include "credd/roles.h"
#include "lib/confine.h"
#include "tests/e2e/lib/rig.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	NOBODY = 62990, /* ids nobody has */
	NAME_MAX_ = 512,
	ANSWER_MS = 10000,
	DEADLINE_MS = 300, /* what a vault would give a request here */
	RANDOM_WORKERS = 100,
	MEMORY_SMALL = 32 << 20,
};

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

static const char *mode;
static struct buf module; /* hostile.so */
static struct rig rig;
static const struct proc_idmap *rig_map;

static const char *name_of(const char *what)
{
	static char text[NAME_MAX_ / 2];

	(void)snprintf(text, sizeof text, "sandbox/%s/%s", mode, what);
	return text;
}

static bool sanitized(void)
{
	return !strcmp(confine_variant_name(), "sanitizer");
}

/* The module, with that attack in its constructor. */
static int module_with(const char *ctor)
{
	static const char mark[] = "hostile-ctor=";
	struct buf b;
	uint8_t *at;
	int fd;

	buf_init(&b, module.len + 1);
	ENSURE(buf_put(&b, module.p, module.len) == OK);
	at = memmem(b.p, b.len, mark, sizeof mark - 1);
	/* the last one is the variable; an earlier one may be debug text */
	for (uint8_t *n = at; n;
	     n = memmem(n + 1, (size_t)(b.p + b.len - n - 1), mark,
			sizeof mark - 1))
		if (!strcmp((char *)n, "hostile-ctor=none"))
			at = n;
	ENSURE(at);
	(void)strcpy((char *)at + sizeof mark - 1, ctor);
	fd = rig_memfd(&b, true);
	buf_wipe(&b);
	return fd;
}

static int start_worker(const char *ctor, uint64_t *id)
{
	int so = module_with(ctor);
	int chan = rig_spawn(&rig, so, MEMORY_SMALL, id);

	close(so);
	return chan;
}

static bool expect_errno(const struct msg *m, const char *name, int a, int b)
{
	int e = atoi(rig_text(m, "errno"));

	return case_check(m->kind == VW_REPLY && (e == a || e == b), name,
			  "kind %u errno %d (%s), expected %d", m->kind, e,
			  strerror(e), a);
}

static void expect_end(uint64_t id, const char *name, int a, int b)
{
	char reason[256] = "nothing";
	int sig = -1;

	case_check(rig_ended(&rig, id, &sig, reason, sizeof reason) &&
			   (sig == a || sig == b),
		   name, "signal %d, expected %d: %s", sig, a, reason);
}

/* The vault gives no worker longer than its deadline, and hears no more of it. */
static void expect_deadline(int chan, uint64_t id, const char *name)
{
	struct buf in;
	struct msg m;
	enum err e;

	buf_init(&in, MSG_MAX + 4);
	e = rig_get(chan, &in, &m, DEADLINE_MS);
	buf_wipe(&in);
	if (e != ERR_TIMEOUT) {
		case_failed(name, "it answered or ended: %s", err_name(e));
		return;
	}
	rig_kill(&rig, id);
	expect_end(id, name, SIGKILL, SIGKILL);
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
	rig_kill(&rig, id);
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
	char name[NAME_MAX_];
	struct msg m = { .kind = 0 };
	struct buf in;
	uint64_t id;
	int chan = start_worker(attacks[i].name, &id);

	(void)snprintf(name, sizeof name, "%s in the constructor",
		       name_of(attacks[i].name));
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

/* A worker that has its credential, and is sound so far. */
static int ready_worker(uint64_t *id, struct buf *in, const char *key)
{
	int chan = start_worker("none", id);
	struct msg m;

	if (rig_get(chan, in, &m, ANSWER_MS) != OK || m.kind != VW_READY) {
		close(chan);
		return -1;
	}
	rig_credential(chan, key, "a token that is sent along");
	return chan;
}

static void attack_in_op(size_t i)
{
	char name[NAME_MAX_];
	struct msg m = { .kind = 0 };
	struct buf in;
	uint64_t id;
	int chan;

	(void)snprintf(name, sizeof name, "%s in an operation",
		       name_of(attacks[i].name));
	buf_init(&in, MSG_MAX + 4);
	chan = ready_worker(&id, &in, "a key of some length");
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

/* One request to a fresh worker, and what came of it. */
static void one_request(const char *op, const char *name, const char *value,
			const char *key, uint32_t kind, const char *attr,
			const char *want, const char *title)
{
	struct msg m = { .kind = 0 };
	struct buf in;
	uint64_t id;
	int chan;

	buf_init(&in, MSG_MAX + 4);
	chan = ready_worker(&id, &in, key);
	if (chan < 0) {
		case_failed(title, "the worker does not start");
		return;
	}
	rig_run(chan, VW_RUN, 7, op, name, value);
	if (rig_get(chan, &in, &m, ANSWER_MS) != OK)
		m.kind = 0;
	case_check(m.kind == kind && m.id == 7 &&
			   !strcmp(rig_text(&m, attr), want),
		   name_of(title), "kind %u %s='%s', expected '%s'", m.kind,
		   attr, m.kind ? rig_text(&m, attr) : "", want);
	if (m.kind == VW_FAILED)
		case_check(!strstr(rig_text(&m, "text"), key), name_of(title),
			   "the key is in the error text");
	buf_wipe(&in);
	close(chan);
}

static void operations(void)
{
	static const char key[] = "a key of some length";

	one_request("echo", "text", "hello", key, VW_REPLY, "text", "hello",
		    "an operation answers");
	one_request("echo", "other", "x", key, VW_FAILED, "error", "invalid",
		    "an unknown request attribute is refused");
	one_request("nothing", NULL, NULL, key, VW_FAILED, "error",
		    "unsupported", "an unknown operation is refused");
	one_request("echo", "text", "x", "refused", VW_FAILED, "error",
		    "expired", "a credential can be refused by open");
	one_request("leak", NULL, NULL, key, VW_FAILED, "tripwire", "yes",
		    "a reply with the key is withheld");
	one_request("leak_error", NULL, NULL, key, VW_FAILED, "tripwire", "yes",
		    "an error text with the key is withheld");
	one_request("echo", "text", key, key, VW_REPLY, "text", key,
		    "what the request held may be in the reply");
	one_request("leak_sent", NULL, NULL, key, VW_REPLY, "text",
		    "a token that is sent along",
		    "an attribute that is sent may be in the reply");
	one_request("reveal", NULL, NULL, key, VW_REPLY, "text", key,
		    "an operation that reveals may reveal");
	one_request("large", NULL, NULL, key, VW_FAILED, "error", "too_large",
		    "a reply over its bound is an error");
}

static void endless_reply(void)
{
	struct buf in;
	uint64_t id;
	int chan;

	buf_init(&in, MSG_MAX + 4);
	chan = ready_worker(&id, &in, "k");
	if (chan >= 0) {
		rig_run(chan, VW_RUN, 1, "endless", NULL, NULL);
		expect_deadline(chan, id, name_of("an endless reply"));
		close(chan);
	}
	buf_wipe(&in);
}

static void steps(void)
{
	struct msg m = { .kind = 0 };
	struct buf in;
	uint64_t id;
	int chan;
	bool good = true;

	buf_init(&in, MSG_MAX + 4);
	chan = ready_worker(&id, &in, "k");
	/* two sessions at once, each with its own state */
	for (int i = 0; good && i < 6; i++) {
		rig_run(chan, VW_RUN, 1 + (uint64_t)i % 2, "steps", NULL, NULL);
		good = rig_get(chan, &in, &m, ANSWER_MS) == OK &&
		       m.kind == (i < 4 ? VW_MORE : VW_REPLY) &&
		       atoi(rig_text(&m, "step")) == i / 2 + 1;
	}
	case_check(good, name_of("operations of several steps"), "kind %u",
		   m.kind);
	buf_wipe(&in);
	close(chan);
}

/* The facts need no credential, and are refused beside one. */
static void facts(void)
{
	struct msg m = { .kind = 0 };
	struct buf in;
	uint64_t id;
	int chan = start_worker("none", &id);

	buf_init(&in, MSG_MAX + 4);
	if (rig_get(chan, &in, &m, ANSWER_MS) == OK && m.kind == VW_READY) {
		rig_run(chan, VW_FACTS, 3, "echo", "text", "x");
		if (rig_get(chan, &in, &m, ANSWER_MS) != OK)
			m.kind = 0;
	}
	case_check(m.kind == VW_REPLY &&
			   !strcmp(rig_text(&m, "action"), "echo"),
		   name_of("facts without a credential"), "kind %u", m.kind);
	rig_run(chan, VW_RUN, 4, "echo", "text", "x");
	if (rig_get(chan, &in, &m, ANSWER_MS) != OK)
		m.kind = 0;
	case_check(m.kind == VW_FAILED &&
			   !strcmp(rig_text(&m, "error"), "conflict"),
		   name_of("no operation without a credential"), "kind %u",
		   m.kind);
	buf_wipe(&in);
	close(chan);
}

/* Many requests in one write are all answered, in order. */
static void batch(void)
{
	struct msg m = { .kind = 0 };
	struct buf in;
	uint64_t id, got = 0;
	int chan;

	buf_init(&in, MSG_MAX + 4);
	chan = ready_worker(&id, &in, "k");
	for (uint64_t i = 1; i <= 500; i++)
		rig_run(chan, VW_RUN, i, "echo", "text", "x");
	while (got < 500 && rig_get(chan, &in, &m, ANSWER_MS) == OK &&
	       m.kind == VW_REPLY && m.id == got + 1)
		got++;
	case_check(got == 500, name_of("500 requests at once"), "%llu answers",
		   (unsigned long long)got);
	buf_wipe(&in);
	close(chan);
}

static void bad_modules(void)
{
	struct buf text, in;
	struct msg m = { .kind = 0 };
	char reason[256] = "";
	uint64_t id;
	int so, chan, sig = 0;

	buf_init(&text, 64);
	buf_init(&in, MSG_MAX + 4);
	ENSURE(buf_str(&text, "not a library") == OK);
	so = rig_memfd(&text, true);
	chan = rig_spawn(&rig, so, 0, &id);
	if (rig_get(chan, &in, &m, ANSWER_MS) != OK)
		m.kind = 0;
	case_check(m.kind == VW_FAILED &&
			   strstr(rig_text(&m, "text"), "loaded"),
		   name_of("a file that is no module is refused"), "kind %u",
		   m.kind);
	close(chan);
	close(so);
	so = rig_memfd(&module, false);
	chan = rig_spawn(&rig, so, 0, &id);
	case_check(rig_ended(&rig, id, &sig, reason, sizeof reason) &&
			   strstr(reason, "sealed"),
		   name_of("a memfd that is not sealed is refused"), "%s",
		   reason);
	close(chan);
	close(so);
	buf_wipe(&text);
	buf_wipe(&in);
}

static bool same_anywhere(uint8_t (*v)[32], size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = i + 1; k < n; k++)
			if (!memcmp(v[i], v[k], 32))
				return true;
	return false;
}

/* All are pid 1 of a namespace; none may draw another's numbers. OpenSSL sees a fork
 * by its pid: where the zygote is pid 1 as well, only seeding anew helps. */
static void random_numbers(void)
{
	static uint8_t drawn[2 * RANDOM_WORKERS][32];
	struct buf in;
	struct msg m;
	struct attr a, b;
	uint64_t id;
	size_t n = 0;

	buf_init(&in, MSG_MAX + 4);
	for (int i = 0; i < RANDOM_WORKERS; i++) {
		int chan = ready_worker(&id, &in, "k");

		rig_run(chan, VW_RUN, 1, "random", NULL, NULL);
		if (rig_get(chan, &in, &m, ANSWER_MS) == OK &&
		    attr_only(m.attrs, "public", &a) == OK && a.len == 32 &&
		    attr_only(m.attrs, "private", &b) == OK && b.len == 32) {
			memcpy(drawn[n++], a.value, 32);
			memcpy(drawn[n++], b.value, 32);
		}
		close(chan);
	}
	case_check(n == NELEM(drawn) && !same_anywhere(drawn, n),
		   name_of("100 workers draw different numbers"),
		   "%zu of %zu, or two the same", n, NELEM(drawn));
	buf_wipe(&in);
}

/* A vault that dies takes its workers along; killed workers leave nothing. */
static void vault_gone(void)
{
	struct buf in;
	struct msg m;
	uint64_t id;
	int chan;

	buf_init(&in, MSG_MAX + 4);
	chan = ready_worker(&id, &in, "k");
	shutdown(rig.vault, SHUT_RDWR);
	/* the worker does not end by itself: its channel is still open */
	case_check(rig_get(chan, &in, &m, ANSWER_MS) == ERR_UNAVAILABLE,
		   name_of("workers end with the vault"), "it lives on");
	buf_wipe(&in);
	close(chan);
}

/* Nor do they outlive the zygote, though their channels are open. */
static void zygote_gone(void)
{
	struct rig other;
	struct fault f;
	struct buf in;
	struct msg m;
	uint64_t id;
	int chan, so = module_with("none");

	buf_init(&in, MSG_MAX + 4);
	ENSURE(rig_start(&other, rig_map, 0, &f) == OK);
	chan = rig_spawn(&other, so, 0, &id);
	ENSURE(rig_get(chan, &in, &m, ANSWER_MS) == OK);
	rig_stop(&other);
	case_check(rig_get(chan, &in, &m, ANSWER_MS) == ERR_UNAVAILABLE,
		   name_of("workers end with the zygote"), "it lives on");
	buf_wipe(&in);
	close(chan);
	close(so);
}

/* A line of /proc/PID/status of the zygote's only child. */
static pid_t only_child(void)
{
	char path[64], text[64] = "";
	int fd;

	(void)snprintf(path, sizeof path, "/proc/%d/task/%d/children",
		       rig.zygote.pid, rig.zygote.pid);
	fd = open(path, O_RDONLY);
	if (fd < 0 || read(fd, text, sizeof text - 1) <= 0)
		text[0] = 0;
	close(fd);
	return (pid_t)atoi(text);
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
	chan = ready_worker(&id, &in, "k");
	pid = only_child();
	for (size_t i = 0; i < NELEM(lines); i++) {
		/* an ordinary user cannot drop the bounding set */
		if (!strcmp(mode, "plain") && strstr(lines[i], "Bnd"))
			continue;
		(void)snprintf(name, sizeof name, "worker has %s", lines[i]);
		*strchr(name, '\t') = ' ';
		case_check(status_has(pid, lines[i]), name_of(name),
			   "pid %d has not", pid);
	}
	for (size_t i = 0; !strcmp(mode, "mapped") && i < NELEM(spaces); i++) {
		(void)snprintf(name, sizeof name, "worker has its own %s",
			       spaces[i]);
		case_check(!same_ns(pid, rig.zygote.pid, spaces[i]),
			   name_of(name), "it has the zygote's");
	}
	if (!strcmp(mode, "mapped")) {
		case_check(files_in_root(pid) == 1,
			   name_of("one file in the worker's root"), "%u",
			   files_in_root(pid));
		case_check(status_has(pid, "Uid:\t62991\t62991\t62991\t62991"),
			   name_of("worker has a uid of its own"), "not so");
	}
	rig_kill(&rig, id);
	expect_end(id, name_of("a worker is killed on request"), SIGKILL,
		   SIGKILL);
	buf_wipe(&in);
	close(chan);
}

static void run_all(void)
{
	from_outside();
	operations();
	endless_reply();
	steps();
	facts();
	batch();
	bad_modules();
	for (size_t i = 0; i < NELEM(attacks); i++) {
		attack_in_ctor(i);
		attack_in_op(i);
	}
	random_numbers();
	vault_gone();
	zygote_gone();
}

/* As on a machine where an administrator has switched user namespaces off. */
static void forbid_userns(void)
{
	scmp_filter_ctx c = seccomp_init(SCMP_ACT_ALLOW);

	ENSURE(c && !seccomp_rule_add(c, SCMP_ACT_ERRNO(EPERM),
				      SCMP_SYS(unshare), 0));
	ENSURE(!seccomp_load(c));
	seccomp_release(c);
}

static int run_mode(const char *which)
{
	static const struct proc_idmap map = { NOBODY, NOBODY + 1 };
	bool first = !strcmp(which, "pid1");
	bool mapped = first || !strcmp(which, "mapped");
	struct fault f = { .code = OK };

	mode = which;
	if (!mapped && !getuid())
		ENSURE(!setgid(NOBODY + 2) && !setuid(NOBODY + 2));
	/* changing ids makes a process undumpable, and its maps root's */
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	if (!strcmp(which, "plain"))
		forbid_userns();
	if (first)
		ENSURE(!unshare(CLONE_NEWPID));
	rig_map = mapped ? &map : NULL;
	if (rig_start(&rig, rig_map, 0, &f) != OK) {
		case_failed(name_of("the zygote starts"), "%s", f.text);
		return 1;
	}
	case_check(mapped || !strcmp(which, "plain") ? rig.weaker == !mapped
						     : true,
		   name_of("the zygote starts"), "%u weaker: %s", rig.weaker,
		   rig.text);
	if (rig.weaker)
		printf("# weaker: %s\n", rig.text);
	if (first)
		random_numbers();
	else
		run_all();
	rig_stop(&rig);
	return cases_failed() ? 1 : 0;
}

static int in_child(const char *which)
{
	int status = 0;
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(run_mode(which));
	ENSURE(pid > 0 && waitpid(pid, &status, 0) == pid);
	if (WIFSIGNALED(status))
		case_failed(which, "killed by signal %d", WTERMSIG(status));
	return status ? 1 : 0;
}

int main(int argc, char **argv)
{
	const char *build = getenv("CRETULA_BUILD");
	char path[4096];
	int bad = 0;

	if (argc == 2 && !strcmp(argv[1], "--role=zygote"))
		return role_zygote();
	(void)snprintf(path, sizeof path, "%s/tests/modules/hostile.so",
		       build ? build : "build");
	module = rig_file(path);
	if (argc == 2)
		return in_child(argv[1]);
	if (getuid())
		case_skip("sandbox/mapped", "needs root");
	else
		bad |= in_child("mapped") | in_child("pid1");
	bad |= in_child("single");
	bad |= in_child("plain");
	buf_wipe(&module);
	return bad;
}
