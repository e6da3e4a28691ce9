/* JSON bodies of credd's and certmgr's gates: whatever comes, a list that was taken is
 * well-formed, and its pairs are the same list. */
#include "lib/json_list.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at(const struct attrs *a)
{
	struct attr_view v;
	struct attrs back;
	struct fault f;
	struct buf text;

	ENSURE(attr_parse(a->bytes.p, a->bytes.len, &v, &f) == OK);
	attrs_init(&back);
	buf_init(&text, 8 << 20);
	ENSURE(json_list_format(v, " header ", &text) == OK);
	buf_clear(&text);
	ENSURE(buf_str(&text, "{\"list\":") == OK);
	ENSURE(json_pairs_format(v, &text) == OK);
	ENSURE(buf_str(&text, "}") == OK);
	ENSURE(json_pairs_parse(text.p, text.len, &back, &f) == OK);
	ENSURE(back.count == a->count && back.bytes.len == a->bytes.len);
	ENSURE(!a->bytes.len ||
	       !memcmp(back.bytes.p, a->bytes.p, a->bytes.len));
	buf_wipe(&text);
	attrs_wipe(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct attrs a;
	struct fault f;

	if (size > 64 << 10)
		return 0;
	attrs_init(&a);
	if (json_list_parse(data, size, &a, &f) == OK)
		look_at(&a);
	attrs_clear(&a);
	if (json_pairs_parse(data, size, &a, &f) == OK)
		look_at(&a);
	attrs_wipe(&a);
	return 0;
}
