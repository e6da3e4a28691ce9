/* Headers of key slots: what parses keeps every bound, before Argon2id is paid. */
#include "lib/slot.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *header, *blob;
	struct secret *master = NULL;
	struct slot_header h;
	struct fault f;

	if (slot_header_parse(data, size, &h, &f) == OK) {
		ENSURE(size == SLOT_HEADER);
		ENSURE(h.ops >= SLOT_OPS_MIN && h.ops <= SLOT_OPS_MAX);
		ENSURE(h.mem >= SLOT_MEM_MIN && h.mem <= SLOT_MEM_MAX);
		ENSURE(strlen(slot_type_name(h.type)) > 0);
	}
	if (slot_split(data, size, &header, &blob, &f) != OK)
		return 0;
	/* An empty passphrase is refused after everything else was looked at. */
	ENSURE(slot_open(header, SLOT_HEADER, blob, SLOT_BLOB, "", 0, &h,
			 &master, &f) != OK);
	ENSURE(!master);
	return 0;
}
