/* What is behind include/cretula/agent.h (lib/client_agent*.c). Runs in agents; holds the
 * agent's token and private key, in secret memory. */
#ifndef LIB_CLIENT_AGENT_H
#define LIB_CLIENT_AGENT_H

#include "lib/agent_bundle.h"
#include "lib/client.h"

#include <cretula/agent.h>

enum {
	AGENT_INSTANCE_LEN = 8, /* hex digits */
	AGENT_TOKEN_WAIT_MS = 30000,
	AGENT_RETRY_FIRST = 5, /* seconds after the first claim that failed */
	AGENT_RETRY_MAX = 300,
};

struct cretula_agent {
	char name[CRETULA_AGENT_NAME]; /* INSTANCE:AGENT-ID */
	struct buf token;              /* its text, and a NUL behind it */
	unsigned flags;
	pid_t pid; /* whose it is */
	int timer;
	unsigned failures; /* claims since one gave another certificate */
	struct agent_bundle bundle; /* certs 0: nothing is claimed yet */
	enum cretula_way way;
	struct cretula_error why; /* not by the keyring */
};

/* Checks INSTANCE:AGENT-ID. ERR_INVALID with the reason. */
MUST enum err agent_name_check(const char *name, struct fault *f);

/* Takes name and token out of the environment into a (client_agent_env.c). */
enum cretula_err agent_env_take(struct cretula_agent *a,
				struct cretula_error *err);

/* Everything that fd gives until its end, appended to out (whose max is the bound), by
 * deadline (CLOCK_BOOTTIME ns). ERR_TOO_LARGE, ERR_TIMEOUT, ERR_UNAVAILABLE (errno). */
MUST enum err agent_read_all(int fd, struct buf *out, uint64_t deadline);

/* ERR_DENIED in a forked child. */
enum cretula_err agent_own(const struct cretula_agent *a,
			   struct cretula_error *err);

/* The claim by either way: the payload appended to out, a secret buffer. */
enum cretula_err agent_by_socket(const struct cretula_agent *a, struct buf *out,
				 struct cretula_error *err);
/* 0 or an errno of the kernel. */
int agent_by_keyring(const struct cretula_agent *a, struct buf *out);
/* True if the socket may know more, or be there where the keyring is not. */
bool agent_key_elsewhere(int no);
/* What that errno says of a claim, and its sentence. */
enum cretula_err agent_key_failed(const struct cretula_agent *a, int no,
				  struct cretula_error *err);

/* Arms the timer for what the bundle says, or for another try. */
void agent_timer_arm(struct cretula_agent *a);

#endif
