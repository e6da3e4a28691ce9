/* The linter over any bytes: it ends, reads nothing outside, and names a rule. Issuer
 * name and key identifier are taken from the bytes themselves where they are to be
 * had, so that the rules behind those are reached. */
#include "lib/lint.h"

#include "lib/cert.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void lint(struct span s, struct lint_issuer *issuer)
{
	struct fault f = { .code = OK };

	if (lint_tbs(s, issuer, &f) != OK)
		ENSURE(!strncmp(f.text, "rule ", 5));
}

/* The fourth value of a TBSCertificate. */
static struct span issuer_name(struct span s)
{
	struct span whole = { .n = 0 };
	struct rd r = span_rd(s), body, in;
	unsigned tag;

	if (der_get(&r, DER_SEQ, &body) != OK)
		return whole;
	for (unsigned i = 0; i < 4; i++)
		if (der_any(&body, &tag, &in, &whole) != OK)
			return whole;
	return whole;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct span s = span_of(data, size);
	struct lint_issuer issuer = { .not_after = INT64_MAX };
	struct cert c;

	issuer.name = issuer_name(s);
	if (cert_parse_tbs(s, &c, NULL) == OK)
		issuer.key_id = c.authority_key;
	lint(s, &issuer);
	issuer.self = true;
	lint(s, &issuer);
	return 0;
}
