/* PEM: blocks come out one after the other until there is none, and what came out
 * goes in again. */
#include "lib/pem.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void again(const struct buf *der)
{
	struct buf text, back;
	size_t used;

	buf_init(&text, 1 << 20);
	buf_init(&back, 1 << 20);
	ENSURE(pem_put("CERTIFICATE", span_of(der->p, der->len), &text) == OK);
	ENSURE(pem_get("CERTIFICATE", (const char *)text.p, text.len, &back,
		       &used, NULL) == OK);
	ENSURE(used == text.len);
	ENSURE(back.len == der->len && !memcmp(back.p, der->p, der->len));
	buf_wipe(&text);
	buf_wipe(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	size_t used;
	struct buf b;

	buf_init(&b, 1 << 16);
	while (pem_get("CERTIFICATE", text, size, &b, &used, NULL) == OK) {
		ENSURE(used > 0 && used <= size);
		again(&b);
		buf_clear(&b);
		text += used;
		size -= used;
	}
	buf_wipe(&b);
	return 0;
}
