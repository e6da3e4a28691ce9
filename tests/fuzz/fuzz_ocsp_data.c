/* lib/ocsp: whatever is read as ResponseData is the one encoding of it. */
#include "lib/ocsp.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf_wipe) struct buf again = { .max = SIZE_MAX / 2 };
	struct ocsp_basic b;
	struct fault f;

	if (ocsp_data_parse(span_of(data, size), &b, &f) != OK)
		return 0;
	ENSURE(ocsp_data_build(&b, &again) == OK);
	ENSURE(again.len == size && !memcmp(again.p, data, size));
	return 0;
}
