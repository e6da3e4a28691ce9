/* Part of the linter (lib/lint.c): the public key, and the key identifiers. Whether a
 * point is on its curve pubkey_parse has looked at, when the request came. */
#include "lib/lint_cert.h"
#include "lib/pubkey.h"

enum {
	P256_POINT = 65,
	P384_POINT = 97,
	ED25519_POINT = 32,
	POINT_PLAIN = 4, /* uncompressed */
	RSA_BITS_MIN = 2048,
	RSA_BITS_MAX = 4096,
	RSA_E_MIN = 65537,
	KEY_ID = 20,
};

enum err lint_key_known(const struct lint_cert *c, struct fault *why)
{
	const enum oid o = lint_key_oid(c);

	if (o != OID_EC_KEY && o != OID_RSA && o != OID_ED25519)
		return BROKEN("the public key is of an unknown kind");
	return OK;
}

static enum err key_form_ec(struct rd *alg, struct span bits)
{
	enum oid curve;
	size_t n;

	TRY(oid_get(alg, &curve));
	n = curve == OID_P256 ? P256_POINT : curve == OID_P384 ? P384_POINT : 0;
	return n && bits.n == n && bits.p[0] == POINT_PLAIN ? OK : ERR_INVALID;
}

static enum err key_rsa(struct span bits, struct span *n, uint64_t *e)
{
	struct rd r = span_rd(bits), body;

	TRY(der_get(&r, DER_SEQ, &body));
	TRY(rd_end(&r));
	TRY(der_uint(&body, n));
	TRY(der_u64(&body, DER_INTEGER, UINT32_MAX, e));
	return rd_end(&body);
}

static enum err key_form(const struct lint_cert *c)
{
	struct rd r = span_rd(c->spki), body, alg;
	struct span bits, n;
	uint64_t e;
	enum oid o;

	TRY(lint_key_bits(c, &bits));
	TRY(der_get(&r, DER_SEQ, &body));
	TRY(der_get(&body, DER_SEQ, &alg));
	TRY(oid_get(&alg, &o));
	if (o == OID_EC_KEY) {
		TRY(key_form_ec(&alg, bits));
	} else if (o == OID_RSA) {
		TRY(der_null(&alg));
		TRY(key_rsa(bits, &n, &e));
	} else if (bits.n != ED25519_POINT) {
		return ERR_INVALID;
	}
	return rd_end(&alg);
}

enum err lint_key_form(const struct lint_cert *c, struct fault *why)
{
	if (key_form(c) != OK)
		return BROKEN("the public key is not P-256, P-384 "
			      "(uncompressed), Ed25519 or RSA with the "
			      "parameters that go with it");
	return OK;
}

static size_t key_bit_count(struct span n)
{
	size_t bits = 8 * n.n;

	for (uint8_t top = n.p[0]; top && !(top & 0x80); bits--)
		top = (uint8_t)(top << 1);
	return bits;
}

enum err lint_key_strength(const struct lint_cert *c, struct fault *why)
{
	struct span bits, n;
	uint64_t e = 0;
	size_t count;

	if (lint_key_oid(c) != OID_RSA)
		return OK;
	TRY(lint_key_bits(c, &bits));
	TRY(key_rsa(bits, &n, &e));
	count = key_bit_count(n);
	if (count < RSA_BITS_MIN || count > RSA_BITS_MAX)
		return BROKEN("an RSA key of %zu bits, %d to %d are allowed",
			      count, RSA_BITS_MIN, RSA_BITS_MAX);
	if (e < RSA_E_MIN || !(e & 1) || !(n.p[n.n - 1] & 1))
		return BROKEN("an RSA key with exponent %llu, or even",
			      (unsigned long long)e);
	return OK;
}

enum err lint_issuer_key_there(const struct lint_cert *c, struct fault *why)
{
	if (!lint_find(c, OID_AUTHORITY_KEY_ID) && !c->from->self)
		return BROKEN("no authorityKeyIdentifier");
	return OK;
}

static enum err issuer_key_get(const struct lint_cert *c, struct span *id)
{
	struct rd r = lint_value(c, OID_AUTHORITY_KEY_ID), body;

	TRY(der_get(&r, DER_SEQ, &body));
	TRY(rd_end(&r));
	TRY(der_span(&body, DER_CTX | 0, id));
	return rd_end(&body);
}

enum err lint_issuer_key_form(const struct lint_cert *c, struct fault *why)
{
	struct span id;

	if (lint_find(c, OID_AUTHORITY_KEY_ID) && issuer_key_get(c, &id) != OK)
		return BROKEN("authorityKeyIdentifier is not a keyIdentifier "
			      "alone");
	return OK;
}

enum err lint_issuer_key_same(const struct lint_cert *c, struct fault *why)
{
	struct span id;

	if (!lint_find(c, OID_AUTHORITY_KEY_ID))
		return OK;
	TRY(issuer_key_get(c, &id));
	if (!id.n || !span_equal(id, c->from->key_id))
		return BROKEN("authorityKeyIdentifier is not the "
			      "subjectKeyIdentifier of the one who signs");
	return OK;
}

enum err lint_key_id_ca(const struct lint_cert *c, struct fault *why)
{
	if (lint_is_ca(c) && !lint_find(c, OID_SUBJECT_KEY_ID))
		return BROKEN("a ca without subjectKeyIdentifier");
	return OK;
}

static enum err key_id_get(const struct lint_cert *c, struct span *id)
{
	struct rd r = lint_value(c, OID_SUBJECT_KEY_ID);

	TRY(der_span(&r, DER_OCTETS, id));
	TRY(rd_end(&r));
	return id->n == KEY_ID ? OK : ERR_INVALID;
}

enum err lint_key_id_form(const struct lint_cert *c, struct fault *why)
{
	struct span id;

	if (lint_find(c, OID_SUBJECT_KEY_ID) && key_id_get(c, &id) != OK)
		return BROKEN("subjectKeyIdentifier is not %d octets", KEY_ID);
	return OK;
}

enum err lint_key_id_hash(const struct lint_cert *c, struct fault *why)
{
	struct pubkey key = { .bits = 0 };
	uint8_t hash[KEY_ID];
	struct span id;

	if (!lint_find(c, OID_SUBJECT_KEY_ID))
		return OK;
	TRY(key_id_get(c, &id));
	TRY(lint_key_bits(c, &key.key));
	pubkey_id(&key, hash);
	if (!span_equal(id, span_of(hash, sizeof hash)))
		return BROKEN("subjectKeyIdentifier is not the SHA-1 of the "
			      "key");
	return OK;
}
