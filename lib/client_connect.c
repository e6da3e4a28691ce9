/* Connecting to the daemon's socket and the hello (docs/protocol.md). Runs in
 * clients; holds nothing. */
#include "lib/client_web.h"

#include "lib/clock.h"
#include "lib/msg.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
	NONCE_SIZE = 16,
	HELLO_SIZE = NONCE_SIZE + 4,
	ANSWER_SIZE = NONCE_SIZE + 2,
	CONNECT_PAUSE_MS = 10,
	WHY_MAX = 128,
	REFUSAL_MAX = 1024, /* bytes of an error instead of a hello */
};

enum cretula_err client_unreached(struct cretula_error *err, enum err code,
				  const struct cretula *c, const char *why)
{
	client_fail(err, code, "%s is not reached at '%s': %s",
		    client_name(c->daemon), c->path, why);
	if (err)
		err->reached = 0;
	return (enum cretula_err)code;
}

/* What errno says, and what to do about it. */
static enum cretula_err connect_failed(struct cretula_error *err,
				       const struct cretula *c, int no)
{
	char why[WHY_MAX];

	if (no == EACCES || no == EPERM)
		return client_fail(err, ERR_DENIED,
				   "'%s' may not be used by you: admin.sock is "
				   "for root and the group cretula-admin",
				   c->path);
	if (no != ENOENT && no != ECONNREFUSED)
		return client_unreached(err, ERR_UNAVAILABLE, c, strerror(no));
	(void)snprintf(why, sizeof why,
		       "nobody listens: start %s, or say in %s where its "
		       "socket is",
		       client_name(c->daemon), client_env(c->daemon));
	return client_unreached(err, ERR_UNAVAILABLE, c, why);
}

/* The address of path. One too long for an address goes through the descriptor
 * *dir of its folder. */
static int address_of(const char *path, struct sockaddr_un *un, int *dir)
{
	const char *slash = strrchr(path, '/');
	AUTO(mem_free) char *folder = NULL;

	*un = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) < CLIENT_SUN_MAX) {
		memcpy(un->sun_path, path, strlen(path));
		return 0;
	}
	if (!slash || strlen(slash) >= CLIENT_SUN_MAX / 2)
		return ENAMETOOLONG;
	folder = xmemdup(path, (size_t)(slash - path) + 1);
	folder[slash - path] = '\0';
	*dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*dir < 0)
		return errno;
	(void)snprintf(un->sun_path, sizeof un->sun_path, "/proc/self/fd/%d%s",
		       *dir, slash);
	return 0;
}

/* True for what may be over in a moment. */
static bool passing(int no, bool again)
{
	return no == EAGAIN || no == EINTR ||
	       (again && (no == ENOENT || no == ECONNREFUSED));
}

static int connect_once(const struct sockaddr_un *un, int *out)
{
	AUTO(fd_close)
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return errno;
	if (connect(fd, (const struct sockaddr *)un, sizeof *un))
		return errno;
	*out = fd;
	fd = -1;
	return 0;
}

static enum cretula_err connect_until(const struct cretula *c, bool again,
				      uint64_t deadline, int *fd,
				      struct cretula_error *err)
{
	const struct timespec pause = { .tv_nsec = CONNECT_PAUSE_MS * 1000000 };
	AUTO(fd_close) int dir = -1;
	struct sockaddr_un un;
	int no = address_of(c->path, &un, &dir);

	if (no)
		return connect_failed(err, c, no);
	for (;;) {
		no = connect_once(&un, fd);
		if (!no)
			return CRETULA_ERR_NONE;
		if (!passing(no, again) || clock_boot() >= deadline)
			return connect_failed(err, c, no);
		(void)nanosleep(&pause, NULL);
	}
}

/* Reads exactly n bytes. */
static enum err read_all(int fd, uint8_t *p, size_t n, uint64_t deadline)
{
	while (n) {
		struct pollfd w = { .fd = fd, .events = POLLIN };
		ssize_t got = recv(fd, p, n, MSG_DONTWAIT);

		if (got == 0)
			return ERR_UNAVAILABLE;
		if (got > 0) {
			p += got;
			n -= (size_t)got;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return ERR_UNAVAILABLE;
		if (clock_boot() >= deadline)
			return ERR_TIMEOUT;
		(void)poll(&w, 1, client_poll_ms(deadline));
	}
	return OK;
}

/* Door refuses some connections before the hello; what it sends then is an error
 * message whose first bytes have been read as a hello. */
static enum cretula_err refused(int fd, const uint8_t first[HELLO_SIZE],
				const struct cretula *c, uint64_t deadline,
				struct cretula_error *err)
{
	uint8_t all[REFUSAL_MAX];
	struct rd r = rd_from(first, HELLO_SIZE);
	struct attr name, text;
	struct msg m;
	size_t used;
	uint32_t n;
	enum err code;

	ENSURE(rd_u32(&r, &n) == OK);
	memcpy(all, first, HELLO_SIZE);
	if (n < HELLO_SIZE || n > sizeof all - 4 ||
	    read_all(fd, all + HELLO_SIZE, n + 4 - HELLO_SIZE, deadline) !=
		    OK ||
	    msg_get(all, n + 4, &m, &used, NULL) != OK ||
	    attr_only(m.attrs, "error", &name) != OK ||
	    attr_only(m.attrs, "text", &text) != OK ||
	    err_parse((const char *)name.value, name.len, &code) != OK)
		return client_unreached(err, ERR_UNSUPPORTED, c,
					"it does not speak this protocol");
	return client_fail(err, code, "%.*s", (int)text.len, text.value);
}

static enum cretula_err hello(int fd, const struct cretula *c,
			      uint64_t deadline, struct cretula_error *err)
{
	uint8_t in[HELLO_SIZE], out[ANSWER_SIZE];
	struct rd r = rd_from(in, sizeof in);
	const uint8_t *nonce;
	uint16_t low, high;

	switch ((int)read_all(fd, in, sizeof in, deadline)) {
	case OK:
		break;
	case ERR_TIMEOUT:
		return client_unreached(err, ERR_TIMEOUT, c,
					"no hello in time");
	default:
		return client_unreached(
			err, ERR_UNAVAILABLE, c,
			"the connection ended before the hello");
	}
	ENSURE(rd_bytes(&r, NONCE_SIZE, &nonce) == OK);
	ENSURE(rd_u16(&r, &low) == OK && rd_u16(&r, &high) == OK);
	if (low > high) /* no hello: an error stands in its place */
		return refused(fd, in, c, deadline, err);
	if (low > CLIENT_PROTOCOL || high < CLIENT_PROTOCOL)
		return client_fail(err, ERR_UNSUPPORTED,
				   "%s at '%s' speaks versions %u to %u of "
				   "the protocol, this client version %d: "
				   "install the same release of both",
				   client_name(c->daemon), c->path, low, high,
				   CLIENT_PROTOCOL);
	memcpy(out, nonce, NONCE_SIZE);
	out[NONCE_SIZE] = 0;
	out[NONCE_SIZE + 1] = CLIENT_PROTOCOL;
	if (send(fd, out, sizeof out, MSG_NOSIGNAL) != (ssize_t)sizeof out)
		return client_unreached(
			err, ERR_UNAVAILABLE, c,
			"the connection ended during the hello");
	return CRETULA_ERR_NONE;
}

enum cretula_err client_connect(struct cretula *c, bool again,
				uint64_t deadline, struct cretula_error *err)
{
	AUTO(fd_close) int fd = -1;
	enum cretula_err e;

	fd_close(&c->fd);
	buf_clear(&c->in);
	buf_clear(&c->out);
	if (c->web)
		return client_web_connect(c, again, deadline, err);
	e = connect_until(c, again, deadline, &fd, err);
	if (!e)
		e = hello(fd, c, deadline, err);
	if (e)
		return e;
	c->fd = fd;
	c->heard = c->probed = false;
	c->pid = getpid();
	fd = -1;
	return CRETULA_ERR_NONE;
}
