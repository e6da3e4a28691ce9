/* A claim through the kernel's keyring: request_key(2) has the kernel call certmgr, which
 * answers with a key in our process keyring; it is read once and unlinked. Runs in agents;
 * the payload goes into secret memory. docs/keyring.md says what the errors mean. */
#include "lib/client_agent.h"

#include <errno.h>
#include <linux/keyctl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	DESCRIPTION_MAX = 80,
	RING_KEYS_MAX = 512, /* keys of a process keyring that are looked at */
	INTERRUPTED_MAX = 16,
	STACK = 256 << 10, /* of the thread that asks */
};

static const char TYPE[] = "user";

/* The key's id, or -1 with errno. token NULL: only looks for one that is there. */
static long request(const char *description, const char *token)
{
	long key = -1;

	/* A call that waits for another thread's can be interrupted. */
	for (int i = 0; key < 0 && i < INTERRUPTED_MAX; i++) {
		key = syscall(SYS_request_key, TYPE, description, token,
			      token ? KEY_SPEC_PROCESS_KEYRING : 0);
		if (key < 0 && errno != EINTR)
			break;
	}
	return key;
}

/* Unlinks the revoked keys of our process keyring: one with our description would be
 * found forever. True if there was any. */
static bool drop_revoked(void)
{
	int32_t ring[RING_KEYS_MAX];
	bool any = false;
	long n = syscall(SYS_keyctl, KEYCTL_READ, KEY_SPEC_PROCESS_KEYRING,
			 ring, sizeof ring);
	size_t keys = n > 0 ? MIN((size_t)n, sizeof ring) / sizeof *ring : 0;

	for (size_t i = 0; i < keys; i++) {
		if (syscall(SYS_keyctl, KEYCTL_DESCRIBE, ring[i], NULL, 0) >=
			    0 ||
		    errno != EKEYREVOKED)
			continue;
		if (!syscall(SYS_keyctl, KEYCTL_UNLINK, ring[i],
			     KEY_SPEC_PROCESS_KEYRING))
			any = true;
	}
	return any;
}

/* One that is there already is taken first: asking for it with a keyring to link it to
 * fails with EACCES, as nobody may link it. */
static long find_or_claim(const char *description, const char *token)
{
	long key = request(description, NULL);

	if (key < 0)
		key = request(description, token);
	if (key < 0 && errno == EKEYREVOKED && drop_revoked())
		key = request(description, token);
	return key;
}

/* Asks for the size first: locked memory may be scarce. */
static int read_key(long key, struct buf *out)
{
	const size_t start = out->len;
	long size = syscall(SYS_keyctl, KEYCTL_READ, key, NULL, 0), n;
	uint8_t *at;

	if (size < 0)
		return errno;
	if (size > AGENT_BUNDLE_MAX)
		return EMSGSIZE;
	if (buf_grow(out, (size_t)size, &at) != OK)
		return ENOMEM;
	n = syscall(SYS_keyctl, KEYCTL_READ, key, at, (size_t)size);
	if (n == size)
		return 0;
	out->len = start;
	return n < 0 ? errno : EMSGSIZE;
}

struct asking {
	const struct cretula_agent *agent;
	struct buf *out;
	int no; /* what came of it */
};

static int ask(const struct asking *k)
{
	char description[DESCRIPTION_MAX];
	long key;
	int no;

	(void)snprintf(description, sizeof description, "cretula:cert:%s",
		       k->agent->name);
	key = find_or_claim(description, (const char *)k->agent->token.p);
	if (key < 0)
		return errno;
	no = read_key(key, k->out);
	/* It may be in another ring, if others have asked as well. */
	(void)syscall(SYS_keyctl, KEYCTL_UNLINK, key, KEY_SPEC_PROCESS_KEYRING);
	return no;
}

/* A thread of its own, since it leaves the session keyring for good. Others have that
 * one too (the user's, if there is none), and the kernel takes a key that they have put
 * there under our name, a certificate by a CA of theirs, before it asks certmgr. */
static void *ask_alone(void *arg)
{
	struct asking *k = arg;

	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0)
		k->no = errno;
	else
		k->no = ask(k);
	return NULL;
}

/* None of the process's signals are for it. */
static int start(pthread_t *thread, struct asking *k)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int no = pthread_attr_init(&attr);

	if (no)
		return no;
	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	no = pthread_attr_setstacksize(&attr, STACK);
	if (!no)
		no = pthread_create(thread, &attr, ask_alone, k);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attr);
	return no;
}

int agent_by_keyring(const struct cretula_agent *a, struct buf *out)
{
	struct asking k = { .agent = a, .out = out };
	pthread_t thread;
	int no, cancel;

	/* the process keyring that both have; if it cannot be, its own will do */
	(void)syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID,
		      KEY_SPEC_PROCESS_KEYRING, 1);
	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	no = start(&thread, &k);
	if (!no)
		no = pthread_join(thread, NULL);
	(void)pthread_setcancelstate(cancel, NULL);
	return no ? no : k.no;
}

bool agent_key_elsewhere(int no)
{
	return no == ENOKEY || no == ENOSYS || no == EPERM ||
	       no == EOPNOTSUPP || no == EAGAIN; /* no thread */
}

static enum cretula_err no_key(const struct cretula_agent *a, int no,
			       struct cretula_error *err)
{
	if (no == ENOKEY)
		return client_fail(err, ERR_UNAVAILABLE,
				   "the kernel has no key for agent '%s': no "
				   "certmgr %.8s is registered for its calls "
				   "(/etc/request-key.d, /run/cretula/upcall), "
				   "or it has no certificate yet",
				   cretula_agent_id(a), a->name);
	if (no == EAGAIN)
		return client_fail(err, ERR_UNAVAILABLE,
				   "no thread can be started to ask the "
				   "kernel: see RLIMIT_NPROC and the memory");
	return client_fail(err, ERR_UNAVAILABLE,
			   "the kernel's keyring cannot be used here: %s; a "
			   "container's seccomp profile may hide it",
			   strerror(no));
}

enum cretula_err agent_key_failed(const struct cretula_agent *a, int no,
				  struct cretula_error *err)
{
	const char *id = cretula_agent_id(a);

	if (agent_key_elsewhere(no))
		return no_key(a, no, err);
	switch (no) {
	case EACCES:
		return client_fail(
			err, ERR_DENIED,
			"agent '%s' is not this process: only the "
			"one it was made for, or that claimed first, "
			"may claim; or the CA makes no certificate for it: "
			"see 'cretula agent show'",
			id);
	case EKEYREVOKED:
		return client_fail(
			err, ERR_DENIED,
			"agent '%s' was revoked, or this process has "
			"executed another program since it claimed: "
			"start it anew",
			id);
	case EKEYREJECTED:
		return client_fail(err, ERR_UNAUTHENTICATED,
				   "the claim of agent '%s' is refused: its "
				   "token is not this one; start the agent "
				   "anew",
				   id);
	case EKEYEXPIRED:
		return client_fail(err, ERR_EXPIRED,
				   "agent '%s' has expired, its token was not "
				   "used in time or its certificate ended: "
				   "start it anew",
				   id);
	case EDQUOT:
		return client_fail(err, ERR_LIMITED,
				   "user %u has no room for another key in the "
				   "kernel: see /proc/key-users, and raise "
				   "kernel.keys.maxkeys and "
				   "kernel.keys.maxbytes",
				   (unsigned)geteuid());
	default:
		return client_fail(err, ERR_UNAVAILABLE,
				   "the key of agent '%s' cannot be had: %s",
				   id, strerror(no));
	}
}
