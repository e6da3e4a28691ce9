/* A claim over certmgr's socket, for where the keyring is hidden. Token and payload go
 * through a socket pair of their own, whose other end certmgr gets beside the call: no
 * process between reads them. Runs in agents; the payload goes into secret memory.
 *	agent -> certmgr	agent.claim agent=ID, a socket with the token in it
 *	certmgr -> agent	the payload into that socket; then the reply */
#include "lib/client_agent.h"
#include "lib/client_web.h"

#include "lib/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	PAYLOAD_MS = 5000, /* after the reply, which comes behind it */
};

enum cretula_err cretula_open_certmgr(const char *path, struct cretula **c,
				      struct cretula_error *err)
{
	return client_open(CLIENT_CERTMGR, path, false, c, err);
}

enum cretula_err cretula_open_certmgr_admin(const char *path,
					    struct cretula **c,
					    struct cretula_error *err)
{
	return client_open(CLIENT_CERTMGR, path, true, c, err);
}

/* A socket with the token in it and its end behind it, and our end of it. */
static enum cretula_err token_pair(const struct cretula_agent *a, int *ours,
				   int *theirs, struct cretula_error *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return client_fail(err, ERR_UNAVAILABLE,
				   "no socket pair can be made for the claim: "
				   "%s",
				   strerror(errno));
	*ours = pair[0];
	*theirs = pair[1];
	if (send(*ours, a->token.p, a->token.len, MSG_NOSIGNAL) !=
		    (ssize_t)a->token.len ||
	    shutdown(*ours, SHUT_WR))
		return client_fail(err, ERR_UNAVAILABLE,
				   "the token cannot be written: %s",
				   strerror(errno));
	return CRETULA_ERR_NONE;
}

static enum cretula_err call(const struct cretula_agent *a, int theirs,
			     struct cretula_error *err)
{
	struct cretula_answer *answer = NULL;
	struct cretula *c = NULL;
	AUTO(mem_free) char *path = NULL;
	struct attrs args;
	enum cretula_err e =
		client_path(CLIENT_CERTMGR, NULL, false, &path, err);

	if (!e && client_is_url(path))
		e = client_fail(err, ERR_UNSUPPORTED,
				"agents claim over the socket of certmgr on "
				"their node, not at '%s': see CRETULA_CERTMGR",
				path);
	if (!e)
		e = cretula_open_certmgr(path, &c, err);
	if (e)
		return e;
	attrs_init(&args);
	ENSURE(attrs_add_str(&args, "agent", cretula_agent_id(a)) == OK);
	e = client_call_fds(c, "agent.claim", attrs_view(&args), &theirs, 1,
			    &answer, err);
	attrs_wipe(&args);
	cretula_answer_free(answer);
	cretula_close(c);
	return e;
}

enum cretula_err agent_by_socket(const struct cretula_agent *a, struct buf *out,
				 struct cretula_error *err)
{
	AUTO(fd_close) int ours = -1;
	AUTO(fd_close) int theirs = -1;
	enum cretula_err e = token_pair(a, &ours, &theirs, err);
	enum err got;

	if (!e)
		e = call(a, theirs, err);
	if (e)
		return e;
	fd_close(&theirs);
	got = agent_read_all(ours, out, clock_boot() + PAYLOAD_MS * CLOCK_MS);
	if (got != OK)
		return client_fail(err, got,
				   "certmgr has answered, but its certificate "
				   "did not come whole: %s",
				   err_name(got));
	return CRETULA_ERR_NONE;
}
