/* lib/note: whatever is read as a checkpoint is the one text of it. */
#include "lib/note.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct secret *seed;
	AUTO(buf_wipe) struct buf again = { .max = NOTE_MAX };
	struct fault f;
	struct note n;
	size_t body;

	if (!seed)
		seed = secret_new();
	if (note_parse(data, size, &n, &f) != OK)
		return 0;
	ENSURE(note_sign(&n, seed, &again) == OK);
	body = size - strlen(n.origin) - 97; /* up to the signature's text */
	ENSURE(again.len == size && !memcmp(again.p, data, body));
	return 0;
}
