/* cretula-request-key: what the kernel starts, by /sbin/request-key and the line in
 * /etc/request-key.d/cretula.conf, when an agent calls
 *	request_key("user", "cretula:cert:INSTANCE:AGENT-ID", TOKEN, ring)
 * It finds out who asks, who is frozen until this process ends; asks the keeper of the
 * certmgr INSTANCE; and makes the key, or refuses it. It holds the token and the
 * agent's private key for the milliseconds between. It says nothing to anybody: the
 * requester gets an errno, the keeper logs and audits. */
#include "lib/num.h"
#include "tools/request-key/ask.h"
#include "tools/request-key/cage.h"

#include "certmgr/kinds.h"

#include <errno.h>
#include <fcntl.h>
#include <keyutils.h>
#include <signal.h>
#include <string.h>
#include <sys/fsuid.h>
#include <unistd.h>

#ifndef KEY_SPEC_REQUESTOR_KEYRING
#define KEY_SPEC_REQUESTOR_KEYRING (-8) /* missing from keyutils.h 1.6 */
#endif

enum {
	/* the end of everything, should a wait not end as it must */
	ALARM_S = UPCALL_MS / 1000 + 3,
	DESCRIBE_MAX = 256, /* more than a good description takes */
	KEYS_READ = 4096,   /* as much as the kernel gives at once */
};

static const uid_t NOBODY = UINT32_MAX - 1; /* who owns no key */

/* Who possesses the key may view, read and search it; nobody else may do anything. Not
 * link: what was handed to a process stays in the ring it was asked for. */
static const key_perm_t key_permissions =
	KEY_POS_VIEW | KEY_POS_READ | KEY_POS_SEARCH;

static key_serial_t key; /* the one under construction */

/* The kernel counts whole seconds of the clock, the one that has begun too. A refusal
 * that is over when this process ends arrives as ENOKEY, whatever it was: so only
 * that one may stand for no time at all, and every other at least for a second. */
static int refuse(int error, unsigned seconds)
{
	if (seconds || error != ENOKEY)
		seconds = MAX(seconds, 1) + 1;
	(void)keyctl_reject(key, seconds, (unsigned)error, 0);
	return 1;
}

/* Only system calls: a handler may. */
static void too_late(int sig)
{
	(void)sig;
	(void)refuse(ENOKEY, REFUSE_S);
	_exit(1);
}

static bool set_alarm(void)
{
	static const int ends[] = { SIGALRM, SIGTERM, SIGHUP, SIGINT };
	struct sigaction a = { .sa_handler = too_late };
	sigset_t none;

	sigemptyset(&none);
	sigfillset(&a.sa_mask);
	for (size_t i = 0; i < NELEM(ends); i++)
		if (sigaction(ends[i], &a, NULL))
			return false;
	(void)alarm(ALARM_S);
	return !sigprocmask(SIG_SETMASK, &none, NULL);
}

/* What the kernel says of a key, without the NUL. */
static bool describe(key_serial_t id, char text[DESCRIBE_MAX], size_t *len)
{
	long n = keyctl_describe(id, text, DESCRIBE_MAX);

	/* it says how long it would be */
	if (n < 2 || n > DESCRIBE_MAX)
		return false;
	*len = (size_t)n - 1;
	return true;
}

static bool read_wanted(struct wanted *w)
{
	char text[DESCRIBE_MAX];
	size_t n;

	return describe(key, text, &n) && wanted_parse(text, n, w) == OK;
}

/* The ring that the key goes to is one the requester does not share with every
 * process of his user. */
static bool destination_ok(void)
{
	key_serial_t ring =
		keyctl_get_keyring_ID(KEY_SPEC_REQUESTOR_KEYRING, 0);
	char text[DESCRIBE_MAX];
	size_t n;

	return ring > 0 && describe(ring, text, &n) && ring_is_private(text, n);
}

/* The callout, as it is; how long it is. What cannot be a token goes no further: the
 * keeper, who writes down whom it refuses, is asked with an empty one. */
static bool read_token(struct buf *token, size_t *callout)
{
	long n;

	buf_init_secret(token, TOKEN_LEN_MAX);
	if (buf_reserve(token, TOKEN_LEN_MAX) != OK)
		return false;
	n = keyctl_read(KEY_SPEC_REQKEY_AUTH_KEY, (char *)token->p,
			TOKEN_LEN_MAX);
	if (n < 0)
		return false;
	*callout = (size_t)n;
	if (n <= TOKEN_LEN_MAX &&
	    token_looks_right((const char *)token->p, (size_t)n))
		token->len = (size_t)n;
	return true;
}

/* /proc/keys, as somebody sees it who owns no key: with the authorisation key, since
 * we possess it, and without root's own, each of which takes the kernel a microsecond
 * to print. What it shows is decided by who opened it. */
static int open_keys(void)
{
	int fd;

	(void)setfsuid(NOBODY);
	fd = openat(AT_FDCWD, "/proc/keys", O_RDONLY | O_CLOEXEC);
	(void)setfsuid(0);
	return fd;
}

static enum err scan_keys(int fd, struct keys_scan *s)
{
	char text[KEYS_READ];
	ssize_t n;

	while ((n = read(fd, text, sizeof text)) > 0)
		keys_scan_feed(s, text, (size_t)n);
	return n ? ERR_UNAVAILABLE : OK;
}

/* Which thread asks: only the authorisation key's line in /proc/keys tells, among
 * lines that others can forge. One that begins like it makes both worthless. */
static enum err find_requester(int keys, size_t callout, pid_t *tid)
{
	key_serial_t auth = keyctl_get_keyring_ID(KEY_SPEC_REQKEY_AUTH_KEY, 0);
	struct keys_scan s;
	uint64_t said = 0;

	if (auth <= 0)
		return ERR_NOT_FOUND;
	keys_scan_init(&s, auth, key);
	TRY(scan_keys(keys, &s));
	TRY(keys_scan_end(&s, tid, &said));
	return said == callout ? OK : ERR_CONFLICT;
}

/* He waits for us, and is whose the key is. */
static enum err look_at_requester(pid_t tid, uid_t owner, struct procinfo *p)
{
	TRY(procinfo_read(tid, p, NULL));
	return p->state == 'D' && p->fsuid == owner ? OK : ERR_CONFLICT;
}

/* Expiry first: there is no moment in which the key would live for ever. */
static int make_key(const struct answer *a)
{
	if (keyctl_set_timeout(key, a->seconds) ||
	    keyctl_instantiate(key, a->payload, a->len, 0))
		return errno;
	return 0;
}

static int finish(int sock, const struct answer *a)
{
	int failed;

	if (a->refused)
		return refuse(a->refused, a->seconds);
	failed = make_key(a);
	if (failed)
		(void)refuse(failed, REFUSE_S);
	ask_done(sock, failed);
	return failed ? 1 : 0;
}

static int ask(int sock, const struct wanted *w, const struct buf *token,
	       const struct procinfo *p)
{
	AUTO(buf_wipe) struct buf in = { 0 };
	struct answer a = { 0 };

	/* the last step of the confinement while the keeper is at work */
	if (ask_claim(sock, w, token, p) != OK || !cage_asking() ||
	    ask_answer(sock, &in, &a) != OK)
		return refuse(ENOKEY, REFUSE_S);
	return finish(sock, &a);
}

static int serve(int keys)
{
	AUTO(buf_wipe) struct buf token = { 0 };
	AUTO(fd_close) int sock = -1;
	struct wanted w = { 0 };
	struct procinfo p = { 0 };
	size_t callout = 0;
	pid_t tid = 0;

	if (!read_wanted(&w))
		return refuse(EINVAL, REFUSE_S);
	if (!destination_ok())
		return refuse(EACCES, REFUSE_S);
	if (!read_token(&token, &callout) ||
	    find_requester(keys, callout, &tid) != OK ||
	    look_at_requester(tid, w.owner, &p) != OK)
		return refuse(EKEYREJECTED, REFUSE_S);
	(void)close(keys);
	sock = ask_connect(w.instance);
	if (sock < 0)
		return refuse(ENOKEY, REFUSE_S);
	return ask(sock, &w, &token, &p);
}

static bool parse_serial(const char *text, key_serial_t *serial)
{
	uint64_t v;

	if (num_u64(text, strnlen(text, NUM_DIGITS), INT32_MAX, &v) != OK || !v)
		return false;
	*serial = (key_serial_t)v;
	return true;
}

int main(int argc, char **argv)
{
	int keys;

	/* from here on every failure is said: a helper that simply ends leaves a
	 * refusal that stands for a minute */
	if (argc != 2 || !parse_serial(argv[1], &key) ||
	    keyctl_assume_authority(key) < 0)
		return 1;
	if (!set_alarm() || !cage_first())
		return refuse(ENOKEY, REFUSE_S);
	/* Needs a capability that goes next; fails where the requester could not
	 * use the key himself, in a ring that he does not possess. */
	if (keyctl_setperm(key, key_permissions))
		return refuse(errno == EACCES ? EACCES : ENOKEY, REFUSE_S);
	keys = open_keys();
	if (keys < 0 || !cage_reading())
		return refuse(ENOKEY, REFUSE_S);
	return serve(keys);
}
