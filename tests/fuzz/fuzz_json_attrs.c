/* JSON bodies: whatever comes, what was taken is a list within its bounds, and the
 * list tells itself in JSON again. */
#include "lib/json_attrs.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct json_field fields[] = {
	{ .name = "id", .kind = JSON_HEX, .max = 16 },
	{ .name = "token", .kind = JSON_SECRET, .max = 64 },
	{ .name = "csr",
	  .kind = JSON_DER,
	  .max = 4096,
	  .label = { "CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST" } },
	{ .name = "signature", .kind = JSON_BASE64, .max = 64 },
	{ .name = "names", .kind = JSON_LIST, .max = 64 },
	{ .name = "agent", .kind = JSON_TEXT },
	{ .name = "lifetime", .kind = JSON_DURATION },
	{ .name = "again", .kind = JSON_BOOL },
};

static const struct json_field shown[] = {
	{ .name = "id", .kind = JSON_HEX },
	{ .name = "csr", .kind = JSON_BASE64 },
	{ .name = "names", .kind = JSON_LIST },
	{ .name = "agent", .kind = JSON_TEXT },
	{ .name = "again", .kind = JSON_BOOL },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct attrs a, b;
	struct fault f;
	struct buf text;

	if (size > 64 << 10)
		return 0;
	attrs_init(&a);
	attrs_init(&b);
	buf_init(&text, 1 << 20);
	if (json_attrs_parse(data, size, fields, NELEM(fields), &a, &f) == OK) {
		struct attr_view it = attrs_view(&a);
		struct attr one;

		while (attr_next(&it, &one))
			ENSURE(one.len > 0 && one.len <= 4096);
		ENSURE(json_attrs_format(attrs_view(&a), shown, NELEM(shown),
					 &text) == OK);
		ENSURE(json_attrs_parse(text.p, text.len, fields, NELEM(fields),
					&b, &f) == OK);
	}
	buf_wipe(&text);
	attrs_wipe(&b);
	attrs_wipe(&a);
	return 0;
}
