/* A module that attacks: what the sandbox is tested with. It runs in a worker; the
 * attack is the request's attribute `attack`, or the text after "hostile-ctor=" in
 * the file itself, which the test overwrites, for one in the constructor. An attack
 * that is survived replies with result= and errno=. */
#include "cretula/module.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	CHANNEL = 3, /* where a worker's channel is */
	MIB = 1 << 20,
	SECRET_ROOM = 256,
};

static volatile char ctor_attack[64] = "hostile-ctor=none";
static long ctor_result;
static int ctor_errno;

static long do_none(void)
{
	return 0;
}

static long do_open(void)
{
	return open("/etc/passwd", O_RDONLY);
}

static long do_open_write(void)
{
	return open("/module.so", O_WRONLY);
}

static long do_create(void)
{
	return open("/tmp/found", O_CREAT | O_WRONLY, 0600);
}

static long do_proc_mem(void)
{
	return open("/proc/self/mem", O_RDONLY);
}

static long do_socket_inet(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static long do_socket_unix(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static long do_fork(void)
{
	return fork();
}

static void *thread_main(void *arg)
{
	return arg;
}

static long do_thread(void)
{
	pthread_t t;
	int e = pthread_create(&t, NULL, thread_main, NULL);

	errno = e;
	return e ? -1 : 0;
}

static long do_exec(void)
{
	char path[] = "/bin/true";
	char *argv[] = { path, NULL };

	return execve(path, argv, argv + 1);
}

static long do_ptrace(void)
{
	return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
}

static long do_kill_parent(void)
{
	return kill(getppid(), SIGKILL);
}

static long do_kill_all(void)
{
	return kill(-1, SIGKILL);
}

static long do_keyctl(void)
{
	return syscall(SYS_keyctl, 0, -3, 0);
}

/* Another worker's credential is in its memory: the one way there is this. */
static long do_read_others(void)
{
	static char here[64];
	struct iovec to = { here, sizeof here };
	struct iovec from = { here, sizeof here };

	for (pid_t p = 1; p < 100; p++)
		if (p != getpid() &&
		    syscall(SYS_process_vm_readv, p, &to, 1, &from, 1, 0) > 0)
			return p;
	return -1;
}

/* 1 GiB, used as it comes, so that a promise alone is not a success. */
static long do_allocate(void)
{
	for (int i = 0; i < 1024; i++) {
		volatile char *p = malloc(MIB);

		if (!p)
			return -1;
		for (int k = 0; k < MIB; k += 4096)
			p[k] = (char)i;
	}
	return 0;
}

static long do_loop(void)
{
	static volatile unsigned long n;

	for (;;)
		n++;
	return 0;
}

static long do_flood(void)
{
	static char junk[MIB];

	memset(junk, 0xff, sizeof junk);
	for (;;)
		(void)!write(CHANNEL, junk, sizeof junk);
	return 0;
}

/* Well-formed answers (kind 6, VW_REPLY, id 0, no attributes) without end. */
static long do_flood_replies(void)
{
	static const char reply[16] = { 0, 0, 0, 12, 0, 0, 0, 6 };

	for (;;)
		(void)!write(CHANNEL, reply, sizeof reply);
	return 0;
}

static long do_unshare(void)
{
	return unshare(CLONE_NEWUSER);
}

static long do_io_uring(void)
{
	char params[256] = { 0 };

	return syscall(SYS_io_uring_setup, 4, params);
}

static long do_bpf(void)
{
	union bpf_attr a;

	memset(&a, 0, sizeof a);
	return syscall(SYS_bpf, BPF_MAP_CREATE, &a, sizeof a);
}

static long do_mmap_rwx(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? -1 : 0;
}

static long do_mprotect_exec(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mprotect(p, 4096, PROT_READ | PROT_EXEC);
}

static long do_dup(void)
{
	return dup(CHANNEL);
}

static long do_send_fd(void)
{
	struct msghdr m;

	memset(&m, 0, sizeof m);
	return sendmsg(CHANNEL, &m, 0);
}

static long do_memfd(void)
{
	return memfd_create("found", 0);
}

static long do_dumpable(void)
{
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static long do_mount(void)
{
	return syscall(SYS_mount, "none", "/", "tmpfs", 0, NULL);
}

static long do_setuid(void)
{
	return syscall(SYS_setuid, 0);
}

static long do_abort(void)
{
	abort();
}

static const struct {
	const char *name;
	long (*run)(void);
} attacks[] = {
	{ "none", do_none },
	{ "open", do_open },
	{ "open_write", do_open_write },
	{ "create", do_create },
	{ "proc_mem", do_proc_mem },
	{ "socket_inet", do_socket_inet },
	{ "socket_unix", do_socket_unix },
	{ "fork", do_fork },
	{ "thread", do_thread },
	{ "exec", do_exec },
	{ "ptrace", do_ptrace },
	{ "kill_parent", do_kill_parent },
	{ "kill_all", do_kill_all },
	{ "keyctl", do_keyctl },
	{ "read_others", do_read_others },
	{ "allocate", do_allocate },
	{ "loop", do_loop },
	{ "flood", do_flood },
	{ "flood_replies", do_flood_replies },
	{ "unshare", do_unshare },
	{ "io_uring", do_io_uring },
	{ "bpf", do_bpf },
	{ "mmap_rwx", do_mmap_rwx },
	{ "mprotect_exec", do_mprotect_exec },
	{ "dup", do_dup },
	{ "send_fd", do_send_fd },
	{ "memfd", do_memfd },
	{ "dumpable", do_dumpable },
	{ "mount", do_mount },
	{ "setuid", do_setuid },
	{ "abort", do_abort },
};

static long attack(const char *name)
{
	for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) {
		if (strcmp(attacks[i].name, name))
			continue;
		errno = 0;
		return attacks[i].run();
	}
	errno = EINVAL;
	return -2;
}

__attribute__((constructor)) static void constructor(void)
{
	char name[sizeof ctor_attack];

	for (size_t i = 0; i < sizeof name; i++)
		name[i] = ctor_attack[i];
	ctor_result = attack(strchr(name, '=') + 1);
	ctor_errno = errno;
}

/* The module itself */

static const struct cretula_attr_decl attributes[] = {
	{ "key", CRETULA_REQUIRED | CRETULA_CONFIDENTIAL, "any text" },
	{ "sent", CRETULA_CONFIDENTIAL | CRETULA_SENT, "may be replied" },
	{ "note", 0, "shareable" },
	{ NULL, 0, NULL },
};

static const struct cretula_operation_decl operations[] = {
	{ "attack", CRETULA_REVEAL_SIGNATURE, "does what attack= says" },
	{ "ctor", CRETULA_REVEAL_SIGNATURE, "what the constructor got" },
	{ "random", CRETULA_REVEAL_SIGNATURE, "random bytes" },
	{ "echo", CRETULA_REVEAL_SIGNATURE, "replies the text" },
	{ "leak", CRETULA_REVEAL_SIGNATURE, "replies the key" },
	{ "leak_error", CRETULA_REVEAL_SIGNATURE, "fails, saying the key" },
	{ "leak_sent", CRETULA_REVEAL_SIGNATURE, "replies sent" },
	{ "reveal", CRETULA_REVEAL_SECRET, "replies the key, and may" },
	{ "endless", CRETULA_REVEAL_SIGNATURE, "adds to the reply for ever" },
	{ "large", CRETULA_REVEAL_SIGNATURE, "adds more than fits" },
	{ "steps", CRETULA_REVEAL_SIGNATURE, "three steps" },
	{ NULL, CRETULA_REVEAL_SIGNATURE, NULL },
};

static const char *const request_names[] = { "attack", "text", NULL };

struct state {
	char key[SECRET_ROOM];
	char sent[SECRET_ROOM];
};

static const char *find(const struct cretula_attrs *l, const char *name)
{
	for (size_t i = 0; i < l->count; i++)
		if (!strcmp(l->item[i].name, name))
			return (const char *)l->item[i].value;
	return "";
}

static enum cretula_result reply_text(const struct cretula_host *host,
				      struct cretula_call *call,
				      const char *name, const char *text)
{
	return host->reply(call, name, text, strlen(text));
}

static enum cretula_result reply_number(const struct cretula_host *host,
					struct cretula_call *call,
					const char *name, long v)
{
	char text[32];

	(void)snprintf(text, sizeof text, "%ld", v);
	return reply_text(host, call, name, text);
}

static enum cretula_result reply_result(const struct cretula_host *host,
					struct cretula_call *call, long result,
					int error)
{
	if (reply_number(host, call, "result", result) != CRETULA_OK)
		return CRETULA_FAILED;
	return reply_number(host, call, "errno", error);
}

static enum cretula_result reply_random(const struct cretula_host *host,
					struct cretula_call *call)
{
	unsigned char b[32];

	if (RAND_bytes(b, sizeof b) != 1 ||
	    host->reply(call, "public", b, sizeof b) != CRETULA_OK ||
	    RAND_priv_bytes(b, sizeof b) != 1)
		return CRETULA_FAILED;
	return host->reply(call, "private", b, sizeof b);
}

/* Ignores that nothing fits any more; large does stop. */
static enum cretula_result reply_much(const struct cretula_host *host,
				      struct cretula_call *call, int forever)
{
	static const char much[1024];

	for (int i = 0; forever || i < 1024; i++)
		(void)host->reply(call, "header", much, sizeof much);
	return CRETULA_OK;
}

static enum cretula_result step(const struct cretula_host *host,
				struct cretula_call *call, void **session)
{
	int *n = *session;

	if (!n)
		*session = n = calloc(1, sizeof *n);
	if (!n)
		return CRETULA_FAILED;
	if (reply_number(host, call, "step", ++*n) != CRETULA_OK)
		return CRETULA_FAILED;
	if (*n < 3)
		return CRETULA_MORE;
	free(n);
	*session = NULL;
	return CRETULA_OK;
}

static enum cretula_result hostile_open(const struct cretula_host *host,
					struct cretula_call *call,
					const struct cretula_attrs *credential,
					void **state)
{
	struct state *s = calloc(1, sizeof *s);

	if (!s)
		return CRETULA_FAILED;
	(void)snprintf(s->key, sizeof s->key, "%s", find(credential, "key"));
	(void)snprintf(s->sent, sizeof s->sent, "%s", find(credential, "sent"));
	if (!strcmp(s->key, "refused")) {
		free(s);
		return host->fail(call, CRETULA_EXPIRED, "the key is over");
	}
	*state = s;
	return CRETULA_OK;
}

static enum cretula_result hostile_run(const struct cretula_host *host,
				       struct cretula_call *call, void *state,
				       const char *operation,
				       const struct cretula_attrs *request,
				       void **session)
{
	const struct state *s = state;
	long r;

	if (!strcmp(operation, "attack")) {
		r = attack(find(request, "attack"));
		return reply_result(host, call, r, errno);
	}
	if (!strcmp(operation, "ctor"))
		return reply_result(host, call, ctor_result, ctor_errno);
	if (!strcmp(operation, "random"))
		return reply_random(host, call);
	if (!strcmp(operation, "echo"))
		return reply_text(host, call, "text", find(request, "text"));
	if (!strcmp(operation, "leak") || !strcmp(operation, "reveal"))
		return reply_text(host, call, "text", s->key);
	if (!strcmp(operation, "leak_error"))
		return host->fail(call, CRETULA_INVALID, "bad key %s", s->key);
	if (!strcmp(operation, "leak_sent"))
		return reply_text(host, call, "text", s->sent);
	if (!strcmp(operation, "steps"))
		return step(host, call, session);
	return reply_much(host, call, !strcmp(operation, "endless"));
}

static enum cretula_result hostile_facts(const struct cretula_host *host,
					 struct cretula_call *call,
					 const char *operation,
					 const struct cretula_attrs *request)
{
	(void)request;
	return host->fact(call, "action", operation, strlen(operation));
}

static void hostile_forget(void *state, void *session)
{
	(void)state;
	free(session);
}

static void hostile_close(void *state)
{
	free(state);
}

const struct cretula_module *cretula_module(void)
{
	static const struct cretula_module module = {
		.abi = CRETULA_MODULE_ABI,
		.name = "hostile",
		.summary = "attacks its sandbox",
		.attributes = attributes,
		.operations = operations,
		.request = request_names,
		.facts = hostile_facts,
		.open = hostile_open,
		.run = hostile_run,
		.forget = hostile_forget,
		.close = hostile_close,
	};

	return &module;
}
