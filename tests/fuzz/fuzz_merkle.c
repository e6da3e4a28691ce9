/* lib/merkle: what is read as a frontier is written as the same bytes. */
#include "lib/merkle.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf_wipe) struct buf again = { .max = MERKLE_BYTES_MAX };
	struct merkle_hash root;
	struct merkle m;

	if (merkle_parse(data, size, &m) != OK)
		return 0;
	ENSURE(merkle_format(&m, &again) == OK);
	ENSURE(again.len == size && !memcmp(again.p, data, size));
	merkle_root(&m, &root);
	if (m.size < MERKLE_SIZE_MAX)
		merkle_append(&m, &root);
	return 0;
}
