/* Certificates of strangers: what cert_parse_tbs takes of a whole certificate, cert_peek
 * says the same of; what it says lies within the bytes. */
#include "lib/cert_peek.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void within(struct span all, struct span part)
{
	ENSURE(!part.n ||
	       (part.p >= all.p && part.p + part.n <= all.p + all.n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct span s = span_of(data, size);
	struct cert_signed parts;
	struct cert_peek p;
	struct cert c;
	bool good = cert_split(s, &parts, NULL) == OK &&
		    cert_parse_tbs(parts.tbs, &c, NULL) == OK;

	if (cert_peek(s, &p) != OK) {
		ENSURE(!good);
		return 0;
	}
	within(s, p.tbs);
	within(s, p.issuer);
	within(s, p.subject);
	within(s, p.spki);
	within(s, p.subject_key);
	within(s, p.authority_key);
	if (!good)
		return 0;
	ENSURE(span_equal(p.subject, c.subject_der) &&
	       span_equal(p.issuer, c.issuer_der) &&
	       span_equal(p.spki, c.spki) && p.alg == parts.alg &&
	       p.not_before == c.not_before && p.not_after == c.not_after &&
	       p.ca == c.ca && p.path_len == c.path_len && !p.strange &&
	       !p.names_ip && span_equal(p.authority_key, c.authority_key) &&
	       span_equal(p.subject_key, c.subject_key));
	return 0;
}
