/* Boxes and transport.pub: both come from strangers. */
#include "lib/box.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t secret[BOX_KEY] = { 1, 2, 3 };

static void check_file(const uint8_t *data, size_t size)
{
	AUTO(buf_wipe) struct buf text = { 0 };
	uint8_t pub[BOX_KEY], again[BOX_KEY];
	struct fault f;

	buf_init(&text, BOX_FILE_MAX);
	if (box_pub_parse(data, size, pub, &f) != OK)
		return;
	ENSURE(box_pub_format(pub, &text) == OK);
	ENSURE(box_pub_parse(text.p, text.len, again, &f) == OK);
	ENSURE(!memcmp(pub, again, BOX_KEY));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct box_keys *keys;
	AUTO(attrs_wipe) struct attrs out = { 0 };
	struct fault f;

	if (!keys)
		keys = box_keys_from(secret);
	attrs_init_secret(&out);
	if (box_open(keys, data, size, &out, &f) != OK)
		ENSURE(!out.bytes.len);
	check_file(data, size);
	return 0;
}
