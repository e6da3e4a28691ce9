/* What a stranger's server sends to the prober: it never proves a key that nobody
 * has, and ends within its bytes. */
#include "ca/prober.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct handshake *h = handshake_new("x", 1, "n1.example");
	struct fault why = { 0 };
	struct buf out;
	size_t half = size / 2;

	buf_init(&out, 64 << 10);
	if (half)
		ENSURE(handshake_take(h, data, half, &why) != HANDSHAKE_PROVEN);
	ENSURE(handshake_take(h, data + half, size - half, &why) !=
	       HANDSHAKE_PROVEN);
	ENSURE(handshake_take(h, NULL, 0, &why) == HANDSHAKE_FAILED);
	ENSURE(strlen(why.text) > 0 && handshake_give(h, &out) == OK);
	buf_wipe(&out);
	handshake_free(h);
	return 0;
}
