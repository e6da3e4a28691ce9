/* lib/agent_bundle: whatever is read as one is its parts, one after the other. */
#include "lib/agent_bundle.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(agent_bundle_wipe) struct agent_bundle b = { .certs = 0 };
	struct fault f = { .code = OK };
	enum err e = agent_bundle_parse((const char *)data, size, NULL, &b, &f);

	if (e != OK) {
		ENSURE(e == ERR_INVALID || e == ERR_TOO_LARGE);
		ENSURE(f.text[0]);
		return 0;
	}
	ENSURE(b.certs >= 2 && b.key.len + b.cert.len + b.chain.len == size);
	ENSURE(!memcmp(b.key.p, data, b.key.len));
	ENSURE(!memcmp(b.cert.p, data + b.key.len, b.cert.len));
	ENSURE(b.not_before <= b.not_after && b.serial[0] && b.agent[0]);
	return 0;
}
