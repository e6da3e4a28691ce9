/* Agents' tokens. Made by certmgr's keeper, which keeps only the hash; carried by who
 * starts an agent, held by the agent until it claims. */
#include "lib/agent_token.h"

#include "lib/token_text.h"

#include <sodium.h>
#include <string.h>

_Static_assert((int)AGENT_TOKEN_ID == TOKEN_TEXT_ID &&
		       (int)AGENT_TOKEN_TEXT == TOKEN_TEXT_LEN,
	       "as every token");
_Static_assert((int)AGENT_ID_BYTES == AGENT_TOKEN_ID, "an agent's id");
_Static_assert(AGENT_TOKEN_HASH == crypto_generichash_BYTES, "BLAKE2b-256");

void agent_token_make(const char agent[AGENT_ID_LEN + 1], struct agent_token *t)
{
	ENSURE(agent_id_check(span_str(agent), NULL) == OK);
	memcpy(t->agent, agent, sizeof t->agent);
	t->secret = secret_random();
}

void agent_token_wipe(struct agent_token *t)
{
	secret_drop(&t->secret);
	memset(t->agent, 0, sizeof t->agent);
}

void agent_token_hash(const struct agent_token *t,
		      uint8_t out[AGENT_TOKEN_HASH])
{
	ENSURE(!crypto_generichash(out, AGENT_TOKEN_HASH,
				   secret_bytes(t->secret), KEY_SIZE, NULL, 0));
}

enum err agent_token_format(const struct agent_token *t, struct buf *out)
{
	uint8_t id[AGENT_TOKEN_ID];

	TRY(agent_id_bytes(t->agent, id));
	return token_text_format(TOKEN_AGENT, id, t->secret, out);
}

enum err agent_token_parse(const char *text, size_t len, struct agent_token *t,
			   struct fault *f)
{
	struct secret *secret = NULL;
	uint8_t id[AGENT_TOKEN_ID];
	char agent[AGENT_ID_LEN + 1];

	TRY(token_text_parse(TOKEN_AGENT, text, len, id, &secret, f));
	agent_id_text(id, agent);
	if (agent_id_check(span_str(agent), NULL) != OK) {
		secret_drop(&secret);
		return fault_set(f, ERR_INVALID,
				 "the token names no agent: its id is not a "
				 "UUIDv7");
	}
	memcpy(t->agent, agent, sizeof agent);
	t->secret = secret;
	return OK;
}
