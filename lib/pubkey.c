/* Used by whoever reads certificates or requests; holds no private key. The key's
 * bytes come from strangers: they are parsed here, and OpenSSL gets points, moduli
 * and signatures whose shape was checked. */
#include "lib/pubkey.h"

#include "lib/evp.h"

#include <openssl/err.h>
#include <sodium.h>

#include <string.h>

enum {
	POINT_UNCOMPRESSED = 4,
	RSA_BITS_MIN = 2048,
	RSA_BITS_MAX = 4096,
	RSA_E_MIN = 65537,
	RSA_E_BYTES = 4,
	ED_SIZE = crypto_sign_PUBLICKEYBYTES,
};

#define TAKEN "use P-256, P-384, Ed25519 or RSA of 2048 to 4096 bits"

/* Points are tried in a key that is kept for that: 1 us instead of 5. */
static _Thread_local EVP_PKEY *tried[KEY__MAX];

const char *key_type_name(enum key_type t)
{
	static const char *const names[] = {
		[KEY_P256] = "p256",
		[KEY_P384] = "p384",
		[KEY_ED25519] = "ed25519",
		[KEY_RSA] = "rsa",
	};
	_Static_assert(NELEM(names) == KEY__MAX, "every key type has a name");

	ENSURE(t < KEY__MAX);
	return names[t];
}

/* Names for the curves that people try. */
static const char *curve_name(struct span oid)
{
	static const struct {
		const char *name;
		size_t n;
		uint8_t oid[8];
	} curves[] = {
		{ "P-192", 8, { 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 1 } },
		{ "P-224", 5, { 0x2b, 0x81, 4, 0, 33 } },
		{ "P-521", 5, { 0x2b, 0x81, 4, 0, 35 } },
		{ "secp256k1", 5, { 0x2b, 0x81, 4, 0, 10 } },
	};

	for (size_t i = 0; i < NELEM(curves); i++)
		if (span_equal(oid, span_of(curves[i].oid, curves[i].n)))
			return curves[i].name;
	return "of this key";
}

static enum err parse_curve(struct rd *params, struct pubkey *k,
			    struct fault *f)
{
	struct span curve;

	if (der_is(params, DER_SEQ))
		return fault_set(f, ERR_INVALID,
				 "a curve spelled out in the key is not "
				 "taken: name it (P-256 or P-384)");
	if (der_oid(params, &curve) != OK || rd_end(params) != OK)
		return fault_set(f, ERR_INVALID,
				 "the key does not name its curve: use P-256 "
				 "or P-384, named by its identifier");
	if (span_equal(curve, oid_bytes(OID_P256))) {
		k->type = KEY_P256;
		k->bits = 256;
		return OK;
	}
	if (span_equal(curve, oid_bytes(OID_P384))) {
		k->type = KEY_P384;
		k->bits = 384;
		return OK;
	}
	return fault_set(f, ERR_INVALID,
			 "the curve %s is not one we take: use P-256 or P-384",
			 curve_name(curve));
}

static bool on_curve(enum key_type t, struct span p)
{
	if (!tried[t])
		tried[t] = evp_ec_empty(t);
	if (EVP_PKEY_set1_encoded_public_key(tried[t], p.p, p.n) == 1)
		return true;
	ERR_clear_error();
	return false;
}

static enum err check_point(const struct pubkey *k, struct fault *f)
{
	const char *group = evp_group(k->type);
	struct span p = k->key;

	if (p.n && (p.p[0] == 2 || p.p[0] == 3))
		return fault_set(f, ERR_INVALID,
				 "the %s point is compressed: send it "
				 "uncompressed (04, x, y)",
				 group);
	if (p.n != 1 + k->bits / 4 || p.p[0] != POINT_UNCOMPRESSED)
		return fault_set(f, ERR_INVALID,
				 "the %s point is not 04, x and y", group);
	if (on_curve(k->type, p))
		return OK;
	return fault_set(f, ERR_INVALID, "the %s point is not on its curve",
			 group);
}

/* The low-order points among others: a signature by one of these proves nothing. */
static enum err check_ed25519(const struct pubkey *k, struct fault *f)
{
	if (k->key.n != ED_SIZE)
		return fault_set(f, ERR_INVALID,
				 "an Ed25519 key has 32 bytes, not %zu",
				 k->key.n);
	if (!crypto_core_ed25519_is_valid_point(k->key.p))
		return fault_set(f, ERR_INVALID,
				 "the Ed25519 key is no point of the group, "
				 "or of low order: make a new key");
	return OK;
}

static unsigned bit_count(struct span n)
{
	unsigned top = 0;

	for (unsigned v = n.n ? n.p[0] : 0; v; v >>= 1)
		top++;
	return n.n ? (unsigned)(8 * (n.n - 1)) + top : 0;
}

/* True if n and the product of some small primes have one in common. */
static bool shares_factor(struct span n, uint32_t primes)
{
	uint64_t a = primes, b = 0;

	for (size_t i = 0; i < n.n; i++)
		b = (b << 8 | n.p[i]) % primes;
	while (b) {
		uint64_t rest = a % b;

		a = b;
		b = rest;
	}
	return a != 1;
}

static bool has_small_factor(struct span n)
{
	/* 3 to 29, 31 to 47, 53 to 71, 73 to 97 */
	static const uint32_t primes[] = { 3234846615, 95041567, 907383479,
					   4132280413 };

	for (size_t i = 0; i < NELEM(primes); i++)
		if (shares_factor(n, primes[i]))
			return true;
	return false;
}

static enum err check_modulus(struct span n, unsigned bits, struct fault *f)
{
	if (bits < RSA_BITS_MIN)
		return fault_set(f, ERR_INVALID,
				 "an RSA key of %u bits is too weak: " TAKEN,
				 bits);
	if (bits > RSA_BITS_MAX)
		return fault_set(f, ERR_INVALID,
				 "an RSA key of %u bits is too large: " TAKEN,
				 bits);
	if (!(n.p[n.n - 1] & 1))
		return fault_set(f, ERR_INVALID,
				 "the RSA modulus is even: make a new key");
	if (has_small_factor(n))
		return fault_set(f, ERR_INVALID,
				 "the RSA modulus has a factor below 100: make "
				 "a new key");
	return OK;
}

static enum err check_exponent(struct span e, struct fault *f)
{
	uint32_t v = 0;

	if (e.n > RSA_E_BYTES)
		return fault_set(f, ERR_INVALID,
				 "an RSA exponent of %u bits is too large: "
				 "use 65537",
				 bit_count(e));
	for (size_t i = 0; i < e.n; i++)
		v = v << 8 | e.p[i];
	if (!(v & 1))
		return fault_set(f, ERR_INVALID,
				 "the RSA exponent %u is even: use 65537", v);
	if (v < RSA_E_MIN)
		return fault_set(f, ERR_INVALID,
				 "the RSA exponent %u is too small: use 65537",
				 v);
	return OK;
}

enum err pubkey_rsa(struct span key, struct span *n, struct span *e)
{
	struct rd r = span_rd(key), body;

	TRY(der_get(&r, DER_SEQ, &body));
	TRY(rd_end(&r));
	TRY(der_uint(&body, n));
	TRY(der_uint(&body, e));
	return rd_end(&body);
}

static enum err check_rsa(struct pubkey *k, struct fault *f)
{
	struct span n, e;

	if (pubkey_rsa(k->key, &n, &e) != OK)
		return fault_set(f, ERR_INVALID,
				 "the RSA key is not a DER sequence of modulus "
				 "and exponent");
	k->bits = bit_count(n);
	TRY(check_modulus(n, k->bits, f));
	return check_exponent(e, f);
}

/* The algorithm, and that its parameters are what goes with it. */
static enum err parse_algorithm(struct rd *r, struct pubkey *k, struct fault *f)
{
	enum oid o;

	if (oid_get(r, &o) != OK)
		return fault_set(f, ERR_INVALID,
				 "the public key has no algorithm: " TAKEN);
	if (o == OID_EC_KEY)
		return parse_curve(r, k, f);
	if (o != OID_RSA && o != OID_ED25519)
		return fault_set(f, ERR_INVALID,
				 "the public key's algorithm is not one we "
				 "take: " TAKEN);
	k->type = o == OID_RSA ? KEY_RSA : KEY_ED25519;
	k->bits = 256;
	if ((o == OID_RSA && der_null(r) != OK) || rd_end(r) != OK)
		return fault_set(f, ERR_INVALID,
				 "the parameters of the %s key are wrong: they "
				 "are %s",
				 o == OID_RSA ? "RSA" : "Ed25519",
				 o == OID_RSA ? "NULL" : "absent");
	return OK;
}

static enum err split_spki(struct span spki, struct rd *alg, struct span *key)
{
	struct rd r = span_rd(spki), body;

	TRY(der_get(&r, DER_SEQ, &body));
	TRY(rd_end(&r));
	TRY(der_get(&body, DER_SEQ, alg));
	TRY(der_bits(&body, key));
	return rd_end(&body);
}

static enum err check_key(struct pubkey *k, struct fault *f)
{
	switch (k->type) {
	case KEY_P256:
	case KEY_P384:
		return check_point(k, f);
	case KEY_ED25519:
		return check_ed25519(k, f);
	case KEY_RSA:
		return check_rsa(k, f);
	case KEY__MAX:
		break;
	}
	UNREACHABLE("a key type");
}

enum err pubkey_parse(struct span spki, struct pubkey *k, struct fault *f)
{
	struct pubkey got = { .spki = spki };
	struct rd alg;

	if (split_spki(spki, &alg, &got.key) != OK)
		return fault_set(f, ERR_INVALID,
				 "the public key is not a DER "
				 "SubjectPublicKeyInfo (RFC 5280, 4.1.2.7)");
	TRY(parse_algorithm(&alg, &got, f));
	TRY(check_key(&got, f));
	*k = got;
	return OK;
}

void pubkey_id(const struct pubkey *k, uint8_t out[20])
{
	uint8_t digest[EVP_MAX_MD_SIZE];

	ENSURE(evp_digest(EVP_HASH_SHA1, k->key, digest) == 20);
	memcpy(out, digest, 20);
}

void pubkey_hash(const struct pubkey *k, uint8_t out[32])
{
	uint8_t digest[EVP_MAX_MD_SIZE];

	ENSURE(evp_digest(EVP_HASH_SHA256, k->spki, digest) == 32);
	memcpy(out, digest, 32);
}
