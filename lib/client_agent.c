/* An agent's own side of its certificate: what it is and what it has. Runs in agents;
 * holds token and private key in secret memory. */
#include "lib/client_agent.h"

#include "lib/clock.h"
#include "lib/secret.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum cretula_err cretula_agent_new(struct cretula_agent **out,
				   struct cretula_error *err)
{
	struct cretula_agent *a = xcalloc(1, sizeof *a);
	enum cretula_err e;

	a->pid = getpid();
	/* A clock that is set moves the renewal with it. */
	a->timer = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (a->timer < 0)
		e = client_fail(err, ERR_UNAVAILABLE,
				"no timer can be made for the agent: %s",
				strerror(errno));
	else
		e = agent_env_take(a, err);
	if (e) {
		cretula_agent_free(a);
		return e;
	}
	*out = a;
	return CRETULA_ERR_NONE;
}

void cretula_agent_free(struct cretula_agent *a)
{
	if (!a)
		return;
	fd_close(&a->timer);
	buf_wipe(&a->token);
	agent_bundle_wipe(&a->bundle);
	free(a);
}

void cretula_agent_set(struct cretula_agent *a, unsigned flags)
{
	a->flags = flags;
}

enum cretula_err agent_own(const struct cretula_agent *a,
			   struct cretula_error *err)
{
	if (a->pid == getpid())
		return CRETULA_ERR_NONE;
	return client_fail(err, ERR_DENIED,
			   "the certificate of agent '%s' is that of process "
			   "%d, not of its child: start the child as an agent "
			   "of its own",
			   cretula_agent_id(a), (int)a->pid);
}

enum cretula_way cretula_agent_way(const struct cretula_agent *a)
{
	return a->way;
}

const char *cretula_way_name(enum cretula_way w)
{
	switch (w) {
	case CRETULA_WAY_KEYRING:
		return "keyring";
	case CRETULA_WAY_SOCKET:
		return "socket";
	case CRETULA_WAY_NONE:
		break;
	}
	return "none";
}

const char *cretula_agent_why(const struct cretula_agent *a)
{
	return a->why.text;
}

const char *cretula_agent_name(const struct cretula_agent *a)
{
	return a->name;
}

const char *cretula_agent_id(const struct cretula_agent *a)
{
	return a->name + AGENT_INSTANCE_LEN + 1;
}

static const char *pem_of(const struct cretula_agent *a, const struct buf *b,
			  size_t *len)
{
	if (!a->bundle.certs)
		return NULL;
	if (len)
		*len = b->len;
	return (const char *)b->p;
}

const char *cretula_agent_certificate(const struct cretula_agent *a,
				      size_t *len)
{
	return pem_of(a, &a->bundle.cert, len);
}

const char *cretula_agent_chain(const struct cretula_agent *a, size_t *len)
{
	return pem_of(a, &a->bundle.chain, len);
}

const char *cretula_agent_key(const struct cretula_agent *a, size_t *len)
{
	return pem_of(a, &a->bundle.key, len);
}

const char *cretula_agent_serial(const struct cretula_agent *a)
{
	return a->bundle.serial;
}

int64_t cretula_agent_not_after(const struct cretula_agent *a)
{
	return a->bundle.not_after;
}

int64_t cretula_agent_renew_at(const struct cretula_agent *a)
{
	return agent_bundle_renew_at(&a->bundle);
}

int cretula_agent_fd(const struct cretula_agent *a)
{
	return a->timer;
}

enum err agent_read_all(int fd, struct buf *out, uint64_t deadline)
{
	for (;;) {
		struct pollfd w = { .fd = fd, .events = POLLIN };
		uint8_t piece[1024];
		ssize_t n;
		enum err e;

		if (poll(&w, 1, client_poll_ms(deadline)) == 0)
			return ERR_TIMEOUT;
		n = read(fd, piece, sizeof piece);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		/* who wrote it has closed it, and left something of ours unread */
		if (n < 0 && errno == ECONNRESET && out->len)
			return OK;
		if (n <= 0)
			return n ? ERR_UNAVAILABLE : OK;
		e = buf_put(out, piece, (size_t)n);
		secret_zero(piece, sizeof piece);
		TRY(e);
	}
}
