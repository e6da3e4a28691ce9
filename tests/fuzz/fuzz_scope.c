/* lib/ca_scope: what is read as a scope is written so that it is read the same. */
#include "lib/ca_scope.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void again(const struct ca_scope *s)
{
	AUTO(ca_scope_wipe) struct ca_scope t = { .instance = 0 };
	AUTO(attrs_wipe) struct attrs a = { 0 };
	AUTO(attrs_wipe) struct attrs b = { 0 };

	attrs_init(&a);
	attrs_init(&b);
	ENSURE(ca_scope_format(s, &a) == OK);
	ENSURE(ca_scope_parse(attrs_view(&a), &t, NULL) == OK);
	ENSURE(ca_scope_format(&t, &b) == OK);
	ENSURE(a.bytes.len == b.bytes.len &&
	       !memcmp(a.bytes.p, b.bytes.p, a.bytes.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(ca_scope_wipe) struct ca_scope s = { .instance = 0 };
	AUTO(attrs_wipe) struct attrs a = { 0 };
	struct fault f = { .code = OK };

	attrs_init(&a);
	if (attrs_parse_text(&a, (const char *)data, size, &f) != OK)
		return 0;
	if (ca_scope_parse(attrs_view(&a), &s, &f) == OK)
		again(&s);
	else
		ENSURE(f.text[0]);
	return 0;
}
