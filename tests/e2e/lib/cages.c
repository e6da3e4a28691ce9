/* Tests: see cages.h. */
#include "tests/e2e/lib/cages.h"

#include "credd/kinds.h"
#include "lib/confine.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	NOBODY = 62990, /* ids nobody has */
	MEMORY_SMALL = 32 << 20,
};

const char *cage_mode;
struct rig cage_rig;
const struct proc_idmap *cage_map;
struct buf hostile_module;

const char *cage_case(const char *what)
{
	static char text[CASE_NAME_MAX / 2];

	(void)snprintf(text, sizeof text, "worker/%s/%s", cage_mode, what);
	return text;
}

bool sanitized(void)
{
	return !strcmp(confine_variant_name(), "sanitizer");
}

/* The module, with that attack in its constructor. */
int hostile_memfd(const char *ctor)
{
	static const char mark[] = "hostile-ctor=";
	struct buf b;
	uint8_t *at;
	int fd;

	buf_init(&b, hostile_module.len + 1);
	ENSURE(buf_put(&b, hostile_module.p, hostile_module.len) == OK);
	at = memmem(b.p, b.len, mark, sizeof mark - 1);
	/* the last one is the variable; an earlier one may be debug text */
	for (uint8_t *n = at; n;
	     n = memmem(n + 1, (size_t)(b.p + b.len - n - 1), mark,
			sizeof mark - 1))
		if (!strcmp((char *)n, "hostile-ctor=none"))
			at = n;
	ENSURE(at);
	memcpy(at + sizeof mark - 1, ctor, strlen(ctor) + 1);
	fd = rig_memfd(&b, true);
	buf_wipe(&b);
	return fd;
}

int hostile_start(const char *ctor, uint64_t *id)
{
	int so = hostile_memfd(ctor);
	int chan = rig_spawn(&cage_rig, so, MEMORY_SMALL, id);

	close(so);
	return chan;
}

void expect_end(uint64_t id, const char *name, int a, int b)
{
	char reason[256] = "nothing";
	int sig = -1;

	case_check(rig_ended(&cage_rig, id, &sig, reason, sizeof reason) &&
			   (sig == a || sig == b),
		   name, "signal %d, expected %d: %s", sig, a, reason);
}

/* The vault gives no worker longer than its deadline, and hears no more of it. */
void expect_deadline(int chan, uint64_t id, const char *name)
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
	rig_kill(&cage_rig, id);
	expect_end(id, name, SIGKILL, SIGKILL);
}

/* A worker that has its credential, and is sound so far. */
int hostile_ready(uint64_t *id, struct buf *in, const char *key)
{
	int chan = hostile_start("none", id);
	struct msg m;

	if (rig_get(chan, in, &m, ANSWER_MS) != OK || m.kind != VW_READY) {
		close(chan);
		return -1;
	}
	rig_credential(chan, key, "a token that is sent along");
	return chan;
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

static int run_mode(const char *which, void (*run)(void))
{
	static const struct proc_idmap map = { NOBODY, NOBODY + 1 };
	bool first = !strcmp(which, "pid1");
	bool mapped = first || !strcmp(which, "mapped");
	struct fault f = { .code = OK };

	cage_mode = which;
	if (!mapped && !getuid())
		ENSURE(!setgid(NOBODY + 2) && !setuid(NOBODY + 2));
	/* changing ids makes a process undumpable, and its maps root's */
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	if (!strcmp(which, "plain"))
		forbid_userns();
	if (first)
		ENSURE(!unshare(CLONE_NEWPID));
	cage_map = mapped ? &map : NULL;
	if (rig_start(&cage_rig, cage_map, 0, &f) != OK) {
		case_failed(cage_case("the zygote starts"), "%s", f.text);
		return 1;
	}
	case_check(mapped || !strcmp(which, "plain")
			   ? cage_rig.weaker == !mapped
			   : true,
		   cage_case("the zygote starts"), "%u weaker: %s",
		   cage_rig.weaker, cage_rig.text);
	if (cage_rig.weaker)
		printf("# weaker: %s\n", cage_rig.text);
	run();
	rig_stop(&cage_rig);
	return cases_failed() ? 1 : 0;
}

int cage_try(const char *which, void (*run)(void))
{
	int status = 0;
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(run_mode(which, run));
	ENSURE(pid > 0 && waitpid(pid, &status, 0) == pid);
	if (WIFSIGNALED(status))
		case_failed(which, "killed by signal %d", WTERMSIG(status));
	return status ? 1 : 0;
}

void hostile_load(void)
{
	const char *build = getenv("CRETULA_BUILD");
	char path[4096];

	(void)snprintf(path, sizeof path, "%s/tests/modules/hostile.so",
		       build ? build : "build");
	hostile_module = rig_file(path);
}
