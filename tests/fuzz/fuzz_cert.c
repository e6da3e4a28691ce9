/* Certificates: what cert_parse_tbs takes, cert_build makes again byte for byte; what
 * cert_split takes lies within its bounds. The same bytes go to both. */
#include "lib/cert.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void tbs(struct span s)
{
	struct fault f = { .code = OK };
	struct cert c;
	struct buf b;

	if (cert_parse_tbs(s, &c, &f) != OK) {
		ENSURE(f.text[0]);
		return;
	}
	buf_init(&b, CERT_MAX);
	ENSURE(cert_build(&c, &b) == OK);
	ENSURE(span_equal(span_of(b.p, b.len), s));
	buf_wipe(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct span s = span_of(data, size);
	struct cert_signed parts;
	struct buf b;

	tbs(s);
	if (cert_split(s, &parts, NULL) != OK)
		return 0;
	buf_init(&b, CERT_MAX);
	ENSURE(cert_join(parts.tbs, parts.alg, parts.sig, &b) == OK);
	ENSURE(span_equal(span_of(b.p, b.len), s));
	buf_wipe(&b);
	tbs(parts.tbs);
	return 0;
}
