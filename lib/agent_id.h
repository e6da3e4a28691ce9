/* What an agent is called: its id, a UUIDv7 (RFC 9562 5.7) as text in lower case, and
 * its type, the name of the profile its certificates are made by. */
#ifndef LIB_AGENT_ID_H
#define LIB_AGENT_ID_H

#include "lib/der.h"

enum {
	AGENT_ID_LEN = 36, /* characters */
	AGENT_ID_BYTES = 16,
	TYPE_MAX = 64,
};

/* ERR_INVALID says why. A type is [a-z][a-z0-9-]* and does not begin with `ca-`:
 * those are the CA's own. */
MUST enum err agent_id_check(struct span agent, struct fault *f);
MUST enum err type_check(struct span type, struct fault *f);

/* A new agent id at that wall clock (ms), random otherwise. */
void agent_id_make(uint64_t wall_ms, char out[AGENT_ID_LEN + 1]);

/* Its bytes as text, and back: ERR_INVALID if the text is none. */
void agent_id_text(const uint8_t id[AGENT_ID_BYTES],
		   char out[AGENT_ID_LEN + 1]);
MUST enum err agent_id_bytes(const char *agent, uint8_t out[AGENT_ID_BYTES]);

#endif
