/* What the kernel says in text about a key under construction. Of these texts
 * strangers wrote parts: descriptions may hold any byte but NUL, line ends too, and
 * /proc/keys prints them as they are. */
#ifndef REQUEST_KEY_TEXT_H
#define REQUEST_KEY_TEXT_H

#include "lib/agent_id.h"

#include <sys/types.h>

enum {
	INSTANCE_LEN = 8,    /* hex digits */
	TOKEN_LEN_MAX = 256, /* more than any version of the token has */
	KEYS_LINE_MAX = 256, /* more than an authorisation key's line has */
};

/* A key that an agent asks for. */
struct wanted {
	uid_t owner;
	char instance[INSTANCE_LEN + 1];
	char agent[AGENT_ID_LEN + 1];
};

/* Of keyctl_describe: `user;UID;GID;PERM;cretula:cert:INSTANCE:AGENT-ID`. */
MUST enum err wanted_parse(const char *text, size_t len, struct wanted *w);

/* True if the description of a ring, `keyring;UID;GID;PERM;NAME`, is one that only the
 * requester's own process, thread or session (with what they start) possesses. */
bool ring_is_private(const char *text, size_t len);

/* True if it can be a token: the length and the letters of one, blanks around it. */
bool token_looks_right(const char *text, size_t len);

/* Finds the line of an authorisation key in /proc/keys. */
struct keys_scan {
	char prefix[INSTANCE_LEN + 2]; /* its serial and a blank */
	char key[sizeof "key:" + 8];   /* which key it is for */
	unsigned lines;                /* that begin with that serial */
	bool good;                     /* the last one could be read */
	pid_t tid;
	uint64_t callout; /* bytes */
	char line[KEYS_LINE_MAX];
	size_t n; /* may pass KEYS_LINE_MAX: the line is too long */
};

void keys_scan_init(struct keys_scan *s, int32_t auth, int32_t key);
void keys_scan_feed(struct keys_scan *s, const char *text, size_t len);
/* ERR_NOT_FOUND: no line begins with the serial. ERR_CONFLICT: more than one does:
 * somebody forges. ERR_INVALID: it is no such line. */
MUST enum err keys_scan_end(struct keys_scan *s, pid_t *tid, uint64_t *callout);

#endif
