/* The text form of attribute lists: files and command lines. */
#include "lib/attr.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	AUTO(attrs_wipe) struct attrs b = { 0 };
	AUTO(buf_wipe) struct buf text = { 0 };
	struct attr_view it, v;
	struct attr one;
	bool hidden = false;
	enum err e;

	attrs_init(&a);
	attrs_init(&b);
	buf_init(&text, 8 << 20);
	e = attrs_parse_text(&a, (const char *)data, size, NULL);
	it = attrs_view(&a);
	ENSURE(attr_parse(it.p, it.len, &v, NULL) == OK);
	if (e != OK)
		return 0;
	while (attr_next(&it, &one))
		hidden |= one.flags & ATTR_CONFIDENTIAL;
	ENSURE(attr_format_text(v, &text) == OK);
	e = attrs_parse_text(&b, (const char *)text.p, text.len, NULL);
	ENSURE((e == OK) == !hidden);
	if (hidden)
		return 0;
	ENSURE(a.bytes.len == b.bytes.len);
	ENSURE(!a.bytes.len || !memcmp(a.bytes.p, b.bytes.p, a.bytes.len));
	return 0;
}
