/* certmgr/mount: the kernel's list of mounts. */
#include "certmgr/mount.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n = 0;
	bool other = false;

	if (view_mounts_count((const char *)data, size, "/run/a b/fs", &n,
			      &other) != OK)
		return 0;
	/* a line of one has more bytes than this */
	ENSURE(n <= size / 20);
	return 0;
}
