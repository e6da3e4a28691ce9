/* What a process that was started as an agent finds: its name in the environment, its
 * token behind a descriptor. Runs in agents; holds the token on its way into secret
 * memory. */
#include "lib/client_agent.h"

#include "lib/agent_token.h"
#include "lib/clock.h"
#include "lib/num.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	TOKEN_MAX = AGENT_TOKEN_TEXT + 128, /* blanks around it */
};

static const char NAME_VAR[] = "CRETULA_AGENT";
static const char FD_VAR[] = "CRETULA_TOKEN_FD";
static const char TOKEN_VAR[] = "CRETULA_TOKEN";

_Static_assert(CRETULA_AGENT_NAME == AGENT_INSTANCE_LEN + 1 + AGENT_ID_LEN + 1,
	       "INSTANCE:AGENT-ID and a NUL");

enum err agent_name_check(const char *name, struct fault *f)
{
	if (strspn(name, "0123456789abcdef") != AGENT_INSTANCE_LEN ||
	    name[AGENT_INSTANCE_LEN] != ':')
		return fault_set(f, ERR_INVALID,
				 "an agent's name is INSTANCE:AGENT-ID, of 8 "
				 "hex digits and a UUID");
	return agent_id_check(span_str(name + AGENT_INSTANCE_LEN + 1), f);
}

static enum cretula_err take_name(struct cretula_agent *a,
				  struct cretula_error *err)
{
	const char *name = secure_getenv(NAME_VAR);
	struct fault f = { 0 };

	if (!name)
		return client_fail(err, ERR_NOT_FOUND,
				   "this process is no agent, %s is not set: "
				   "start it with 'cretula agent run'",
				   NAME_VAR);
	if (agent_name_check(name, &f) != OK)
		return client_fail(err, ERR_INVALID, "%s is damaged: %s",
				   NAME_VAR, f.text);
	memcpy(a->name, name, sizeof a->name);
	return CRETULA_ERR_NONE;
}

static enum cretula_err read_token(int fd, struct buf *out,
				   struct cretula_error *err)
{
	uint64_t deadline = clock_boot() + AGENT_TOKEN_WAIT_MS * CLOCK_MS;
	enum err e = agent_read_all(fd, out, deadline);

	if (e == ERR_TIMEOUT)
		return client_fail(err, e,
				   "no token came from descriptor %d (%s) "
				   "within %d s: see that certmgr answers",
				   fd, FD_VAR, AGENT_TOKEN_WAIT_MS / 1000);
	if (e == ERR_TOO_LARGE)
		return client_fail(err, ERR_INVALID,
				   "what descriptor %d (%s) gives is too long "
				   "for a token",
				   fd, FD_VAR);
	if (e != OK)
		return client_fail(err, e,
				   "the token's descriptor %d (%s) cannot be "
				   "read: %s",
				   fd, FD_VAR, strerror(errno));
	if (!out->len)
		return client_fail(err, ERR_UNAVAILABLE,
				   "descriptor %d (%s) gives no token: it was "
				   "read already, or certmgr ended before it "
				   "wrote it; start the agent anew",
				   fd, FD_VAR);
	return CRETULA_ERR_NONE;
}

static enum cretula_err token_from_fd(const char *text, struct buf *out,
				      struct cretula_error *err)
{
	AUTO(fd_close) int fd = -1;
	uint64_t n;

	if (num_u64(text, strlen(text), INT_MAX, &n) != OK)
		return client_fail(err, ERR_INVALID,
				   "%s is not the number of a descriptor",
				   FD_VAR);
	fd = (int)n;
	(void)unsetenv(FD_VAR);
	return read_token(fd, out, err);
}

/* The environment's own bytes are overwritten: /proc/PID/environ shows them. */
static void forget_text(char *text)
{
	secret_zero(text, strlen(text));
	(void)unsetenv(TOKEN_VAR);
}

static enum cretula_err token_from_text(char *text, struct buf *out,
					struct cretula_error *err)
{
	enum err e = buf_put(out, text, strlen(text));

	forget_text(text);
	if (e == OK)
		return CRETULA_ERR_NONE;
	return client_fail(err, ERR_INVALID, "%s is too long for a token",
			   TOKEN_VAR);
}

static enum cretula_err take_token(struct buf *out, struct cretula_error *err)
{
	char *fd = secure_getenv(FD_VAR), *text = secure_getenv(TOKEN_VAR);

	if (fd && text)
		forget_text(text);
	if (fd)
		return token_from_fd(fd, out, err);
	if (text)
		return token_from_text(text, out, err);
	return client_fail(err, ERR_NOT_FOUND,
			   "agent '%s' has no token, neither %s nor %s is set: "
			   "only the process that was started as the agent has "
			   "it, and reads it once",
			   getenv(NAME_VAR), FD_VAR, TOKEN_VAR);
}

/* The token as it is sent: without blanks, a NUL behind it. */
static enum cretula_err keep_token(struct cretula_agent *a,
				   const struct buf *text,
				   struct cretula_error *err)
{
	AUTO(agent_token_wipe) struct agent_token t = { .secret = NULL };
	struct fault f = { 0 };
	enum err e;

	e = agent_token_parse((const char *)text->p, text->len, &t, &f);
	if (e != OK)
		return client_fault(err, e, &f);
	if (strcmp(t.agent, cretula_agent_id(a)) != 0)
		return client_fail(err, ERR_INVALID,
				   "the token is that of agent '%s', but %s "
				   "says '%s': give both as they came",
				   t.agent, NAME_VAR, cretula_agent_id(a));
	buf_init_secret(&a->token, AGENT_TOKEN_TEXT + 1);
	ENSURE(agent_token_format(&t, &a->token) == OK);
	ENSURE(buf_u8(&a->token, 0) == OK);
	a->token.len--;
	return CRETULA_ERR_NONE;
}

enum cretula_err agent_env_take(struct cretula_agent *a,
				struct cretula_error *err)
{
	AUTO(buf_wipe) struct buf text = { 0 };
	enum cretula_err e = take_name(a, err);

	if (e)
		return e;
	buf_init_secret(&text, TOKEN_MAX);
	e = take_token(&text, err);
	return e ? e : keep_token(a, &text, err);
}
