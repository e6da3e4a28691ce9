/* Worker: derives and keeps signing keys. A kept key lives in an OpenSSL HMAC
 * context, which is ready to sign and which OpenSSL wipes when it is freed; the
 * secret and what lies between are in locked memory. */
#include "modules/aws-sigv4/key.h"

#include "lib/secret.h"

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <stdlib.h>

enum {
	DAY_SECONDS = 86400
};

struct key {
	EVP_MAC_CTX *mac; /* NULL: free */
	uint64_t used;
	char day[DAY];
	uint8_t region_n;
	uint8_t service_n;
	uint8_t region[SCOPE_MAX];
	uint8_t service[SCOPE_MAX];
};

struct keys {
	EVP_MAC *hmac;
	EVP_MAC_CTX *derive;
	uint8_t *secret; /* "AWS4" and the secret; locked */
	size_t secret_n;
	uint8_t *between; /* SHA256_SIZE bytes; locked */
	uint64_t clock;   /* counts uses */
	int64_t today;
	struct key key[KEYS_MAX];
};

static EVP_MAC_CTX *mac_new(EVP_MAC *hmac)
{
	char digest[] = "SHA256";
	OSSL_PARAM set[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest,
						 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC_CTX *c = hmac ? EVP_MAC_CTX_new(hmac) : NULL;

	if (c && EVP_MAC_CTX_set_params(c, set) != 1) {
		EVP_MAC_CTX_free(c);
		return NULL;
	}
	return c;
}

struct keys *keys_new(struct str secret)
{
	struct keys *k = xcalloc(1, sizeof *k);

	k->today = INT64_MIN;
	k->secret_n = 4 + secret.n;
	k->secret = secret_alloc(k->secret_n);
	k->between = secret_alloc(SHA256_SIZE);
	memcpy(k->secret, "AWS4", 4);
	memcpy(k->secret + 4, secret.p, secret.n);
	k->hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	k->derive = mac_new(k->hmac);
	if (k->derive)
		return k;
	keys_free(k);
	return NULL;
}

static void key_drop(struct key *key)
{
	EVP_MAC_CTX_free(key->mac);
	*key = (struct key){ .mac = NULL };
}

static void keys_clear(struct keys *k)
{
	for (size_t i = 0; i < KEYS_MAX; i++)
		key_drop(&k->key[i]);
}

void keys_free(struct keys *k)
{
	if (!k)
		return;
	keys_clear(k);
	EVP_MAC_CTX_free(k->derive);
	EVP_MAC_free(k->hmac);
	secret_free(k->secret);
	secret_free(k->between);
	free(k);
}

void keys_tick(struct keys *k, int64_t now)
{
	int64_t today =
		(now >= 0 ? now : now - (DAY_SECONDS - 1)) / DAY_SECONDS;

	if (today == k->today)
		return;
	keys_clear(k);
	/* The last derivation's key would else stay in this one. */
	EVP_MAC_CTX_free(k->derive);
	k->derive = mac_new(k->hmac);
	k->today = today;
}

static bool finish(EVP_MAC_CTX *mac, struct str data, uint8_t *out)
{
	size_t n;

	return EVP_MAC_update(mac, data.p, data.n) == 1 &&
	       EVP_MAC_final(mac, out, &n, SHA256_SIZE) == 1 &&
	       n == SHA256_SIZE;
}

static bool step(struct keys *k, struct str data)
{
	return EVP_MAC_init(k->derive, k->between, SHA256_SIZE, NULL) == 1 &&
	       finish(k->derive, data, k->between);
}

/* Leaves the signing key in k->between. */
static bool derive(struct keys *k, struct str day, struct str region,
		   struct str service)
{
	return k->derive &&
	       EVP_MAC_init(k->derive, k->secret, k->secret_n, NULL) == 1 &&
	       finish(k->derive, day, k->between) && step(k, region) &&
	       step(k, service) && step(k, STR("aws4_request"));
}

static bool key_is(const struct key *key, const char *day, struct str region,
		   struct str service)
{
	return key->mac && key->region_n == region.n &&
	       key->service_n == service.n && !memcmp(key->day, day, DAY) &&
	       !memcmp(key->region, region.p, region.n) &&
	       !memcmp(key->service, service.p, service.n);
}

static struct key *key_oldest(struct keys *k)
{
	struct key *oldest = &k->key[0];

	for (size_t i = 0; i < KEYS_MAX; i++) {
		if (!k->key[i].mac)
			return &k->key[i];
		if (k->key[i].used < oldest->used)
			oldest = &k->key[i];
	}
	return oldest;
}

static struct key *key_make(struct keys *k, const char *day, struct str region,
			    struct str service)
{
	struct key *key = key_oldest(k);
	bool ok;

	ENSURE(region.n <= SCOPE_MAX && service.n <= SCOPE_MAX);
	key_drop(key);
	key->mac = mac_new(k->hmac);
	ok = key->mac &&
	     derive(k, (struct str){ (const uint8_t *)day, DAY }, region,
		    service) &&
	     EVP_MAC_init(key->mac, k->between, SHA256_SIZE, NULL) == 1;
	secret_zero(k->between, SHA256_SIZE);
	if (!ok) {
		key_drop(key);
		return NULL;
	}
	memcpy(key->day, day, DAY);
	memcpy(key->region, region.p, region.n);
	memcpy(key->service, service.p, service.n);
	key->region_n = (uint8_t)region.n;
	key->service_n = (uint8_t)service.n;
	return key;
}

static struct key *key_get(struct keys *k, const char *day, struct str region,
			   struct str service)
{
	for (size_t i = 0; i < KEYS_MAX; i++)
		if (key_is(&k->key[i], day, region, service))
			return &k->key[i];
	return key_make(k, day, region, service);
}

bool keys_sign(struct keys *k, const char *day, struct str region,
	       struct str service, struct str data, uint8_t out[SHA256_SIZE])
{
	struct key *key = key_get(k, day, region, service);

	if (!key)
		return false;
	key->used = ++k->clock;
	/* Without a key: start again with the one it has. */
	return EVP_MAC_init(key->mac, NULL, 0, NULL) == 1 &&
	       finish(key->mac, data, out);
}
