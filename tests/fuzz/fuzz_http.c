/* HTTP request text: whatever comes, what was parsed composes to a text that
 * parses to the same request again. */
#include "lib/http.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same(struct http_str a, struct http_str b)
{
	ENSURE(a.len == b.len && !memcmp(a.p, b.p, a.len));
}

static void again(const struct http_request *r, bool raw)
{
	struct attr_view none = { 0 };
	struct http_request twin;
	struct buf b;

	buf_init(&b, HTTP_OUT_MAX);
	ENSURE(http_out_head(r, none, &b) == OK);
	ENSURE(http_parse((const char *)b.p, b.len, raw, &twin, NULL) == OK);
	same(r->method, twin.method);
	same(r->target, twin.target);
	ENSURE(r->count == twin.count);
	for (size_t i = 0; i < r->count; i++) {
		same(r->header[i].name, twin.header[i].name);
		same(r->header[i].value, twin.header[i].value);
	}
	http_wipe(&twin);
	buf_wipe(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_request r;
	size_t head;

	(void)http_head_ends((const char *)data, size, &head);
	for (int raw = 0; raw < 2; raw++) {
		/* At its limit a head without its blank line grows over it. */
		if (head > HTTP_HEAD_MAX - 8 ||
		    http_parse((const char *)data, head, raw, &r, NULL) != OK)
			continue;
		again(&r, raw);
		http_wipe(&r);
	}
	return 0;
}
