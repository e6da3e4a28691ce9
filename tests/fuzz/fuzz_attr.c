/* The binary form of attribute lists, as any client may send it. */
#include "lib/attr.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A list without confidential values is the same list after text and back. */
static void text_and_back(struct attr_view v)
{
	AUTO(attrs_wipe) struct attrs back = { 0 };
	AUTO(buf_wipe) struct buf text = { 0 };
	struct attr_view it = v;
	struct attr a;

	attrs_init(&back);
	buf_init(&text, 8 << 20);
	ENSURE(attr_format_json(v, &text) == OK);
	buf_clear(&text);
	ENSURE(attr_format_text(v, &text) == OK);
	while (attr_next(&it, &a))
		if (a.flags & ATTR_CONFIDENTIAL)
			return;
	ENSURE(attrs_parse_text(&back, (const char *)text.p, text.len, NULL) ==
	       OK);
	ENSURE(back.bytes.len == v.len);
	ENSURE(!v.len || !memcmp(back.bytes.p, v.p, v.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(attrs_wipe) struct attrs copy = { 0 };
	struct attr_view v;
	struct fault f;

	attrs_init(&copy);
	if (attr_parse(data, size, &v, &f) != OK)
		return 0;
	ENSURE(attrs_add_view(&copy, v) == OK);
	ENSURE(copy.bytes.len == size);
	ENSURE(!size || !memcmp(copy.bytes.p, data, size));
	text_and_back(v);
	return 0;
}
