/* gate: the page that describes what it serves. Holds public text. */
#include "lib/gate_openapi.h"

#include "lib/enc.h"
#include "lib/openapi.h"

#include <sodium.h>
#include <stdio.h>

enum {
	ETAG_BYTES = 16, /* of its hash */
};

static struct {
	struct MHD_Response *response;
	char etag[2 * ETAG_BYTES + 3];
} page;

void gate_openapi_open(const char *daemon)
{
	struct span s = openapi_of(daemon);
	uint8_t hash[crypto_hash_sha256_BYTES];
	char hex[2 * ETAG_BYTES + 1];

	crypto_hash_sha256(hash, s.p, s.n);
	enc_hex(hash, ETAG_BYTES, hex);
	(void)snprintf(page.etag, sizeof page.etag, "\"%s\"", hex);
	page.response = mhd_response(s.p, s.n, "application/json");
	mhd_header(page.response, MHD_HTTP_HEADER_ETAG, page.etag);
	mhd_header(page.response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
}

void gate_openapi_close(void)
{
	if (page.response)
		MHD_destroy_response(page.response);
	page.response = NULL;
}

enum MHD_Result gate_openapi_run(struct gate_conn *c)
{
	return gate_cached(c, page.response, page.etag, INT64_MAX);
}
