/* Certification requests, but for their signature: what is read lies within the
 * request, holds only printable names, and is read alike again. */
#include "lib/csr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_names(const struct cert_names *names, struct span in)
{
	ENSURE(names->count <= CERT_NAMES_MAX);
	for (unsigned i = 0; i < names->count; i++) {
		struct span s = names->at[i];

		ENSURE(s.n && s.p >= in.p && s.p + s.n <= in.p + in.n);
		for (size_t k = 0; k < s.n; k++)
			ENSURE(s.p[k] >= 0x20 && s.p[k] < 0x7f);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span der = span_of(data, size), info, sig;
	enum sig_alg alg;
	struct pubkey k;
	struct fault f;
	struct csr c;

	if (csr_parse_only(der, &c, &info, &alg, &sig, &f) != OK)
		return 0;
	ENSURE(size <= CSR_MAX && span_equal(c.der, der));
	ENSURE(info.p > data && info.p + info.n < data + size);
	ENSURE(sig.p >= info.p + info.n && sig.p + sig.n == data + size);
	ENSURE(sig_alg_fits(alg, c.key.type));
	check_names(&c.cn, c.subject);
	check_names(&c.dns, info);
	check_names(&c.uri, info);
	ENSURE(pubkey_parse(c.key.spki, &k, &f) == OK);
	ENSURE(k.type == c.key.type && k.bits == c.key.bits);
	return 0;
}
