/* The one-time token of an agent (formats.md): `ca1_` + base32(agent id[16] | secret[32]
 * | check[4]), the check being the first bytes of BLAKE2b-256(id | secret). certmgr keeps
 * BLAKE2b-256 of the secret. */
#ifndef LIB_AGENT_TOKEN_H
#define LIB_AGENT_TOKEN_H

#include "lib/agent_id.h"
#include "lib/buf.h"
#include "lib/secret.h"

enum {
	AGENT_TOKEN_ID = 16,
	AGENT_TOKEN_HASH = 32,
	AGENT_TOKEN_TEXT = 4 + 84, /* characters */
};

struct agent_token {
	char agent[AGENT_ID_LEN + 1]; /* the id as text */
	struct secret *secret;
};

/* A new one for that agent; wiped with agent_token_wipe (AUTO-able). */
void agent_token_make(const char agent[AGENT_ID_LEN + 1],
		      struct agent_token *t);
void agent_token_wipe(struct agent_token *t);
/* What certmgr keeps; compare with secret_equal. */
void agent_token_hash(const struct agent_token *t,
		      uint8_t out[AGENT_TOKEN_HASH]);

/* Text without newline, appended to a secret buffer; and back (t must hold nothing, and
 * is untouched on failure): blanks around it and one
 * newline after it are allowed. ERR_UNSUPPORTED: another version; ERR_INVALID says what
 * is wrong (length, letter, check) and never the token. */
MUST enum err agent_token_format(const struct agent_token *t, struct buf *out);
MUST enum err agent_token_parse(const char *text, size_t len,
				struct agent_token *t, struct fault *f);

#endif
