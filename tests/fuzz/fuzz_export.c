/* Sealed exports, the list inside one, their armour, and HOST.pub: from strangers. */
#include "lib/export.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_pub(const uint8_t *data, size_t size)
{
	AUTO(buf_wipe) struct buf text = { 0 };
	struct export_pub p, again;
	struct fault f;

	if (export_pub_parse(data, size, &p, &f) != OK)
		return;
	buf_init(&text, EXPORT_PUB_MAX);
	ENSURE(export_pub_format(&p, &text) == OK);
	ENSURE(export_pub_parse(text.p, text.len, &again, &f) == OK);
	ENSURE(!memcmp(p.seal, again.seal, EXPORT_KEY) &&
	       !strcmp(p.node, again.node) && !strcmp(p.url, again.url));
}

static void check_list(const uint8_t *data, size_t size, const uint8_t *to)
{
	struct attr_view v;
	struct export x;
	struct fault f;

	if (attr_parse(data, size, &v, &f) == OK &&
	    export_list_parse(v, to, &x, &f) == OK)
		ENSURE(x.name[0] && x.module[0] &&
		       x.version <= EXPORT_VERSION_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t seed[EXPORT_KEY] = { 1, 2, 3 };
	static struct export_keys *keys;
	AUTO(attrs_wipe) struct attrs list = { 0 };
	AUTO(buf_wipe) struct buf bytes = { 0 };
	struct export x;
	struct fault f;

	if (!keys)
		keys = export_keys_new(seed, seed);
	attrs_init_secret(&list);
	if (export_open(keys, data, size, &list, &x, &f) != OK)
		ENSURE(!list.bytes.len);
	buf_init(&bytes, EXPORT_MAX);
	(void)!export_unarmour(data, size, &bytes, &f);
	check_list(data, size, export_seal_key(keys));
	check_pub(data, size);
	return 0;
}
