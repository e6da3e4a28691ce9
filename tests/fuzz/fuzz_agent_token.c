/* lib/agent_token: whatever is read as a token is the one text of it, blanks around it
 * aside. */
#include "lib/agent_token.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(agent_token_wipe) struct agent_token t = { .secret = NULL };
	AUTO(buf_wipe) struct buf again = { 0 };
	struct fault f = { .code = OK };
	enum err e;

	buf_init_secret(&again, AGENT_TOKEN_TEXT);
	e = agent_token_parse((const char *)data, size, &t, &f);
	if (e != OK) {
		ENSURE(f.text[0] && (e == ERR_INVALID || e == ERR_UNSUPPORTED));
		return 0;
	}
	ENSURE(agent_token_format(&t, &again) == OK &&
	       again.len == AGENT_TOKEN_TEXT);
	ENSURE(memmem(data, size, again.p, again.len));
	return 0;
}
