/* Supervisors, and tests that play one; holds pids. The child between clone and
 * exec makes system calls only. */
#include "lib/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	NAME_SIZE = 64,
	ENV_KEPT = 4,
	/* Above every descriptor a child is given, to move them through. */
	FD_ABOVE = PROC_FD_FIRST + PROC_FDS_MAX,
};

/* All of the environment that goes on: where the log goes, and how a build with
 * sanitizers reports. */
static const char *const env_kept[ENV_KEPT] = {
	"JOURNAL_STREAM",
	"ASAN_OPTIONS",
	"UBSAN_OPTIONS",
	"CRETULA_LOG",
};

/* What the child needs, made before the clone. */
struct start {
	const struct proc_spec *spec;
	pid_t parent;
	int exe;
	int go[2];   /* a byte: the id maps are written */
	int fail[2]; /* the child's errno, or closed by exec */
	char name[NAME_SIZE];
	char arg[NAME_SIZE];
	char env[ENV_KEPT][2 * NAME_SIZE];
	char *argv[3];
	char *envp[ENV_KEPT + 1];
};

static void start_close(struct start *s)
{
	fd_close(&s->exe);
	for (int i = 0; i < 2; i++) {
		fd_close(&s->go[i]);
		fd_close(&s->fail[i]);
	}
}

static void start_env(struct start *s)
{
	size_t n = 0;

	for (size_t i = 0; i < ENV_KEPT; i++) {
		const char *v = getenv(env_kept[i]);
		int len;

		if (!v)
			continue;
		len = snprintf(s->env[n], sizeof s->env[n], "%s=%s",
			       env_kept[i], v);
		if (len > 0 && (size_t)len < sizeof s->env[n]) {
			s->envp[n] = s->env[n];
			n++;
		}
	}
}

static enum err start_open(struct start *s, struct fault *f)
{
	ENSURE(s->spec->fds <= PROC_FDS_MAX);
	(void)snprintf(s->name, sizeof s->name, "%s-%s", s->spec->daemon,
		       s->spec->role);
	(void)snprintf(s->arg, sizeof s->arg, "--role=%s", s->spec->role);
	s->argv[0] = s->name;
	s->argv[1] = s->arg;
	start_env(s);
	s->parent = getpid();
	s->exe = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	if (s->exe < 0 || pipe2(s->go, O_CLOEXEC) || pipe2(s->fail, O_CLOEXEC))
		return fault_set(f, ERR_INTERNAL, "cannot start '%s': %s",
				 s->name, strerror(errno));
	return OK;
}

/* Moves *fd out of the way of those the child is given. */
static int child_lift(int *fd)
{
	*fd = fcntl(*fd, F_DUPFD_CLOEXEC, FD_ABOVE);
	return *fd < 0 ? -1 : 0;
}

static int child_fds(struct start *s)
{
	int lifted[PROC_FDS_MAX];

	if (child_lift(&s->exe) || child_lift(&s->fail[1]))
		return -1;
	for (size_t i = 0; i < s->spec->fds; i++) {
		lifted[i] = s->spec->fd[i];
		if (child_lift(&lifted[i]))
			return -1;
	}
	for (size_t i = 0; i < s->spec->fds; i++)
		if (dup2(lifted[i], PROC_FD_FIRST + (int)i) < 0)
			return -1;
	return (int)syscall(SYS_close_range,
			    PROC_FD_FIRST + (unsigned)s->spec->fds, ~0u,
			    4u /* CLOSE_RANGE_CLOEXEC */);
}

static int child_ids(struct start *s)
{
	char c;

	if (!s->spec->idmap)
		return 0;
	close(s->go[1]);
	if (read(s->go[0], &c, 1) != 1) {
		errno = EPERM;
		return -1;
	}
	return setgroups(0, NULL) || setresgid(0, 0, 0) || setresuid(0, 0, 0)
		       ? -1
		       : 0;
}

/* A parent that has ended before the death signal was asked for is not ours any
 * more; one in another pid namespace is 0. */
_Noreturn static void child_run(struct start *s)
{
	sigset_t none;
	int e;

	(void)sigemptyset(&none);
	if (child_ids(s) || child_fds(s) ||
	    sigprocmask(SIG_SETMASK, &none, NULL) ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) ||
	    (getppid() != s->parent && getppid() != 0))
		goto failed;
	(void)syscall(SYS_execveat, s->exe, "", s->argv, s->envp,
		      AT_EMPTY_PATH);
failed:
	e = errno;
	(void)!write(s->fail[1], &e, sizeof e);
	_exit(127);
}

static int text_write(pid_t pid, const char *file, const char *text)
{
	AUTO(fd_close) int fd = -1;
	char path[NAME_SIZE];

	(void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		return -1;
	return 0;
}

static int map_write(const struct start *s, pid_t pid)
{
	const struct proc_idmap *m = s->spec->idmap;
	char text[NAME_SIZE];

	if (!m)
		return 0;
	(void)snprintf(text, sizeof text, "0 %u 1\n1 %u 1\n", m->self,
		       m->other);
	if (text_write(pid, "gid_map", text) ||
	    text_write(pid, "uid_map", text))
		return -1;
	return write(s->go[1], "", 1) == 1 ? 0 : -1;
}

/* Like fork, but with namespaces and a pidfd. */
static pid_t clone_self(unsigned long flags, int *pidfd)
{
	return (pid_t)syscall(SYS_clone, flags | CLONE_PIDFD | SIGCHLD, NULL,
			      pidfd, NULL, NULL);
}

/* OK once the child's exec has closed its end of the pipe. */
static enum err start_finish(struct start *s, struct proc *p, struct fault *f)
{
	bool mapped = !map_write(s, p->pid);
	int map_errno = errno, e = 0;
	ssize_t n;

	fd_close(&s->go[1]);
	fd_close(&s->fail[1]);
	do
		n = read(s->fail[0], &e, sizeof e);
	while (n < 0 && errno == EINTR);
	if (!n && mapped)
		return OK;
	(void)proc_reap(p);
	if (!mapped)
		return fault_set(f, ERR_UNSUPPORTED,
				 "cannot map ids into a user namespace: %s",
				 strerror(map_errno));
	return fault_set(f, ERR_INTERNAL, "cannot execute '%s': %s", s->name,
			 strerror(e));
}

static enum err start_run(struct start *s, struct proc *out, struct fault *f)
{
	struct proc p = { .pidfd = -1 };

	p.pid = clone_self(s->spec->idmap ? CLONE_NEWUSER : 0, &p.pidfd);
	if (p.pid < 0 && errno == EAGAIN)
		return fault_set(f, ERR_UNAVAILABLE,
				 "cannot make the process '%s': there may be "
				 "no more processes here",
				 s->name);
	if (p.pid < 0)
		return fault_set(
			f, s->spec->idmap ? ERR_UNSUPPORTED : ERR_UNAVAILABLE,
			"cannot make the process '%s'%s: %s", s->name,
			s->spec->idmap ? " in a user namespace" : "",
			strerror(errno));
	if (!p.pid)
		child_run(s);
	TRY(start_finish(s, &p, f));
	*out = p;
	return OK;
}

enum err proc_spawn(const struct proc_spec *s, struct proc *p, struct fault *f)
{
	struct start start = {
		.spec = s, .exe = -1, .go = { -1, -1 }, .fail = { -1, -1 }
	};
	enum err e = start_open(&start, f);

	if (e == OK)
		e = start_run(&start, p, f);
	start_close(&start);
	return e;
}

void proc_kill(const struct proc *p)
{
	if (p->pidfd >= 0)
		(void)syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL,
			      0);
}

struct proc_end proc_reap(struct proc *p)
{
	siginfo_t info = { 0 };
	int e;

	do
		e = waitid(P_PIDFD, (id_t)p->pidfd, &info, WEXITED);
	while (e && errno == EINTR);
	fd_close(&p->pidfd);
	p->pid = 0;
	if (e)
		return (struct proc_end){ .killed = false, .value = -1 };
	return (struct proc_end){ .killed = info.si_code != CLD_EXITED,
				  .value = info.si_status };
}

void proc_end_text(struct proc_end e, char *text, size_t size)
{
	const char *name = e.killed ? sigabbrev_np(e.value) : NULL;

	if (name)
		(void)snprintf(text, size, "killed by SIG%s", name);
	else
		(void)snprintf(text, size, "%s %d",
			       e.killed ? "killed by signal" : "exited with",
			       e.value);
}
