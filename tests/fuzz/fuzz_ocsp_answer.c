/* What a responder answers: taken apart within its bounds; put together again from its
 * parts, it is what it was if it has at most one certificate. */
#include "lib/ocsp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct span s = span_of(data, size);
	struct ocsp_response r;
	struct ocsp_basic b;
	struct fault f = { .code = OK };
	struct buf again;

	if (ocsp_response_split(s, &r, &f) != OK) {
		ENSURE(f.text[0]);
		return 0;
	}
	buf_init(&again, 2 * OCSP_RESPONSE_MAX);
	if (r.status != OCSP_OK) {
		ENSURE(ocsp_error((enum ocsp_status)r.status, &again) == OK);
	} else {
		(void)!ocsp_data_parse(r.data, &b, &f);
		ENSURE(ocsp_response_join(r.data, r.alg, r.sig,
					  r.certs ? r.cert[0]
						  : span_of(NULL, 0),
					  &again) == OK);
	}
	if (r.certs <= 1)
		ENSURE(span_equal(span_of(again.p, again.len), s));
	buf_wipe(&again);
	return 0;
}
