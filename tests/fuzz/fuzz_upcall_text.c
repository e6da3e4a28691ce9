/* What the helper reads about keys. First byte: how /proc/keys arrives in parts; that
 * must not matter. Whatever passes as wanted is written the one way. */
#include "tools/request-key/text.h"

#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum err scan(const char *text, size_t len, size_t part, pid_t *tid)
{
	struct keys_scan s;
	uint64_t callout = 0;

	keys_scan_init(&s, 0x0abc1234, 0x1f2e3d);
	for (size_t i = 0; i < len; i += part)
		keys_scan_feed(&s, text + i, MIN(part, len - i));
	return keys_scan_end(&s, tid, &callout);
}

static void wanted(const char *text, size_t len)
{
	struct wanted w = { 0 };
	char again[128];
	int n;

	if (wanted_parse(text, len, &w) != OK)
		return;
	n = snprintf(again, sizeof again, "cretula:cert:%s:%s", w.instance,
		     w.agent);
	ENSURE(n > 0 && (size_t)n < len &&
	       !memcmp(text + len - (size_t)n, again, (size_t)n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data + 1;
	pid_t whole = 0, parts = 0;
	enum err e;

	if (!size--)
		return 0;
	e = scan(text, size, size ? size : 1, &whole);
	ENSURE(e == scan(text, size, 1 + data[0], &parts) && whole == parts);
	ENSURE(e == OK ? whole > 0 : whole == 0);
	wanted(text, size);
	(void)ring_is_private(text, size);
	ENSURE(!token_looks_right(text, size) || size <= TOKEN_LEN_MAX);
	return 0;
}
