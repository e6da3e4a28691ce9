/* lib/audit_notes: an entry of the file of checkpoints, from any bytes. */
#include "lib/audit_notes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf_wipe) struct buf frontier = { .max = NOTES_ENTRY_MAX };
	struct attr_view note;
	size_t used = 0;

	if (audit_notes_entry(data, size, &note, &frontier, &used) != OK)
		return 0;
	ENSURE(used <= size && note.len < used && note.p == data);
	ENSURE(data[used - 1] == '\n' && data[used - 2] == '=');
	return 0;
}
