/* Opening rows, wrapped keys and confidential parts: what comes from the disk never
 * gets further than an error, and a row that opens was sealed. */
#include "lib/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t master[KEY_SIZE] = { 0, 1, 2, 3 };
static const uint8_t store[STORE_ID_SIZE] = { 9 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct seal_keys *keys;
	AUTO(secret_drop) struct secret *dek = NULL;
	AUTO(attrs_wipe) struct attrs open = { 0 }, confidential = { 0 };
	struct row_head h = { .table = ROW_CREDENTIAL, .row = 12 };
	size_t half = size < SEAL_WRAPPED ? size : SEAL_WRAPPED;
	struct fault f;

	if (!keys)
		keys = seal_keys_new(master, store, 0);
	attrs_init(&open);
	attrs_init_secret(&confidential);
	ENSURE(row_head_name(&h, "prod", "hmac") == OK);
	ENSURE(seal_open_row(keys, &h, data, size, &open, &f) != OK);
	ENSURE(seal_unwrap(keys, &h, data, size, &dek, &f) != OK);
	ENSURE(seal_open_confidential(keys, &h, data, half, data + half,
				      size - half, &confidential, &f) != OK);
	return 0;
}
