/* Capabilities: a text, as itself and as a template; and the extension, which is made
 * again byte for byte. */
#include "lib/capability.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void text(struct span s)
{
	char room[CAP_MAX + 1];
	struct capability c, d;
	struct span out;

	if (capability_parse(s, false, &c, NULL) == OK) {
		ENSURE(s.n <= CAP_MAX);
		ENSURE(capability_covers(&c, &c));
		ENSURE(c.verb.n + c.object.n + c.scope.n + 2 == s.n);
		ENSURE(capability_parse(s, true, &d, NULL) == OK);
	}
	if (capability_fill(s, span_str("n1.example"), room, &out) == OK) {
		ENSURE(capability_parse(out, false, &c, NULL) == OK);
		ENSURE(strlen(room) == out.n);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd r = rd_from(data, size);
	struct cert_names caps;
	struct buf b;

	text(span_of(data, size));
	if (capabilities_get(&r, &caps) != OK)
		return 0;
	buf_init(&b, CERT_MAX);
	ENSURE(capabilities_put(&b, &caps) == OK);
	ENSURE(span_equal(span_of(b.p, b.len),
			  span_of(data, size - rd_left(&r))));
	buf_wipe(&b);
	return 0;
}
