/* lib/ocsp: what is taken as a request lies in its bytes, and each of its CertIDs is
 * one by itself. */
#include "lib/ocsp_id.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(struct span s, const uint8_t *data, size_t size)
{
	ENSURE(s.n && s.p >= data && s.p + s.n <= data + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ocsp_request q;
	struct ocsp_id id;
	struct fault f;
	struct rd r;

	if (ocsp_request_parse(span_of(data, size), &q, &f) != OK)
		return 0;
	ENSURE(q.count && q.count <= OCSP_CERTS_MAX);
	for (unsigned i = 0; i < q.count; i++) {
		inside(q.id[i].der, data, size);
		inside(q.id[i].serial, data, size);
		inside(q.id[i].name_hash, data, size);
		inside(q.id[i].key_hash, data, size);
		r = span_rd(q.id[i].der);
		ENSURE(ocsp_id_get(&r, &id, NULL) == OK && !rd_left(&r));
	}
	if (q.nonce.p)
		inside(q.nonce, data, size);
	return 0;
}
