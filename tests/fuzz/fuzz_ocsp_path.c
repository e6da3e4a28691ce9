/* lib/ocsp_path: what is decoded from a path is what its plain base64 is decoded to. */
#include "lib/ocsp_path.h"

#include "lib/enc.h"
#include "lib/ocsp.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf_wipe) struct buf out = { .max = OCSP_REQUEST_MAX };
	AUTO(buf_wipe) struct buf text = { .max = 2 * OCSP_REQUEST_MAX };
	AUTO(buf_wipe) struct buf again = { .max = OCSP_REQUEST_MAX };
	struct fault f;

	if (ocsp_path_decode((const char *)data, size, &out, &f) != OK)
		return 0;
	ENSURE(out.len && out.len <= OCSP_REQUEST_MAX);
	/* a slash more in front is let go, so that this one is never the first digit */
	ENSURE(buf_u8(&text, '/') == OK);
	ENSURE(enc_base64(out.p, out.len, &text) == OK);
	ENSURE(ocsp_path_decode((char *)text.p, text.len, &again, &f) == OK);
	ENSURE(again.len == out.len && !memcmp(again.p, out.p, out.len));
	return 0;
}
