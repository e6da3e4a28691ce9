/* A whole chain, as a client sends it: root, leaf and what comes with it. A byte says which
 * of them are certificates as they are, and which are the inside of one that is signed
 * here, so that what lies behind the signatures is searched, too. What is refused has its
 * reason; what is good is so when its issuing CA is known already, too. */
#include "lib/chain.h"
#include "lib/signkey.h"

#include <string.h>

enum {
	NOW = 1767322800, /* 2026-01-02T03:00:00Z */
	PARTS = CHAIN_MAX + 2,
	ROOT = 0, /* places; issuing CAs behind them */
	LEAF = 1,
	SEED = 32,
	SIG = 64,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ed25519, whose signatures are always the same; of the seed 11… or 22… */
static struct signkey *key_of(uint8_t byte)
{
	uint8_t der[16 + SEED] = { 0x30, 0x2e, 0x02, 0x01, 0x00, 0x30,
				   0x05, 0x06, 0x03, 0x2b, 0x65, 0x70,
				   0x04, 0x22, 0x04, 0x20 };
	struct signkey *k;
	struct fault f;

	memset(der + 16, byte, SEED);
	ENSURE(signkey_parse(span_of(der, sizeof der), &k, &f) == OK);
	return k;
}

static void sign(struct span tbs, struct signkey *key, struct buf *out)
{
	AUTO(buf_wipe) struct buf sig = { 0 };

	buf_init(&sig, SIG);
	ENSURE(signkey_sign(key, tbs, &sig) == OK);
	ENSURE(cert_join(tbs, signkey_alg(key), span_of(sig.p, sig.len), out) ==
	       OK);
}

/* How many there are: u8 which ones to sign, then u16 length and bytes of each. */
static unsigned take(struct rd *r, struct buf part[PARTS])
{
	static struct signkey *root, *issuing;
	unsigned n = 0;
	uint8_t which;

	if (!root) {
		root = key_of(0x11);
		issuing = key_of(0x22);
	}
	if (rd_u8(r, &which) != OK)
		return 0;
	while (n < PARTS) {
		const uint8_t *p;
		uint16_t len;

		if (rd_u16(r, &len) != OK || rd_bytes(r, len, &p) != OK)
			break;
		buf_init(&part[n], 2 * UINT16_MAX);
		if (n < 8 && which >> n & 1)
			sign(span_of(p, len), n == LEAF ? issuing : root,
			     &part[n]);
		else
			ENSURE(buf_put(&part[n], p, len) == OK);
		n++;
	}
	return n;
}

static bool within(struct span all, struct span part)
{
	return !part.n || (part.p >= all.p && part.p + part.n <= all.p + all.n);
}

static void good(const struct chain_root *root, const struct chain_in *in,
		 const struct chain_end *out)
{
	const struct chain_ca *known[] = { out->ca };
	struct chain_in again = { .der = in->der,
				  .count = 1,
				  .known = known,
				  .n_known = 1,
				  .usage = in->usage,
				  .now = in->now };
	struct chain_end end;
	struct fault f;
	struct span bad;

	ENSURE(out->made && out->made == out->ca);
	ENSURE(out->not_before <= NOW && NOW <= out->not_after);
	ENSURE(out->cert.ext_usage & EKU_CLIENT && !out->cert.ca);
	ENSURE(within(in->der[0], out->cert.subject.uid) &&
	       within(in->der[0], out->cert.serial));
	ENSURE(chain_names_ok(&out->ca->cert, &out->cert, &bad));
	ENSURE(chain_check(root, &again, &end, &f) == OK && !end.made);
	ENSURE(end.not_before == out->not_before &&
	       end.not_after == out->not_after);
}

static void judge(const struct chain_root *root, const struct span *der,
		  unsigned n)
{
	const struct chain_in in = {
		.der = der, .count = n, .usage = EKU_CLIENT, .now = NOW
	};
	struct fault f = { .code = OK };
	struct chain_end out;
	enum err e = chain_check(root, &in, &out, &f);

	if (e == OK) {
		good(root, &in, &out);
		chain_ca_free(&out.made);
		return;
	}
	ENSURE(!out.made && f.code == e && f.text[0]);
	ENSURE(e == ERR_DENIED || e == ERR_EXPIRED ||
	       (e == ERR_UNAUTHENTICATED && !n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(chain_root_wipe) struct chain_root root = { .path_len = -1 };
	struct rd r = rd_from(data, size);
	struct buf part[PARTS];
	struct span der[PARTS];
	struct fault f = { .code = OK };
	unsigned n = take(&r, part);

	for (unsigned i = 0; i < n; i++)
		der[i] = span_of(part[i].p, part[i].len);
	if (n && chain_root_take(&root, der[ROOT], &f) == OK)
		judge(&root, der + LEAF, n - LEAF);
	else
		ENSURE(!n || (f.code == ERR_INVALID && f.text[0]));
	for (unsigned i = 0; i < n; i++)
		buf_wipe(&part[i]);
	return 0;
}
