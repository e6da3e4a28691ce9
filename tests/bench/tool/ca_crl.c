/* Benchmark: a revocation list of COUNT entries encoded in memory and signed (P-256).
 *	ca_crl openssl|own COUNT
 * openssl: X509_CRL and its entries made, sorted, signed, encoded; own: the CA's own
 * encoder. Prints ms and bytes. */
#include "lib/clock.h"
#include "lib/crl.h"
#include "lib/num.h"
#include "lib/signkey.h"
#include "tests/bench/lib/stage.h"

#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

enum {
	LIST_MAX = 1 << 30,
	INSTANCE = 7,
	DAY = 86400,
};

static struct serial serial_of(uint64_t n)
{
	uint8_t tail[SERIAL_TAIL];
	struct serial s;

	for (size_t i = 0; i < sizeof tail; i++)
		tail[i] = (uint8_t)(n * (i + 3));
	serial_make(INSTANCE, n, tail, &s);
	return s;
}

static void add_revoked(X509_CRL *crl, uint64_t n, ASN1_TIME *at,
			ASN1_ENUMERATED *reason)
{
	struct serial s = serial_of(n);
	X509_REVOKED *r = X509_REVOKED_new();
	BIGNUM *bn = BN_bin2bn(s.b, SERIAL_SIZE, NULL);
	ASN1_INTEGER *number = BN_to_ASN1_INTEGER(bn, NULL);

	ENSURE(r && number && X509_REVOKED_set_serialNumber(r, number));
	ENSURE(X509_REVOKED_set_revocationDate(r, at));
	ENSURE(X509_REVOKED_add1_ext_i2d(r, NID_crl_reason, reason, 0, 0));
	ENSURE(X509_CRL_add0_revoked(crl, r));
	ASN1_INTEGER_free(number);
	BN_free(bn);
}

static size_t by_openssl(uint64_t count)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *now = ASN1_TIME_set(NULL, clock_wall());
	ASN1_ENUMERATED *reason = ASN1_ENUMERATED_new();
	uint8_t *der = NULL;
	int n;

	ENSURE(key && crl && now && ASN1_ENUMERATED_set(reason, 1));
	ENSURE(X509_CRL_set_version(crl, X509_CRL_VERSION_2));
	ENSURE(X509_CRL_set1_lastUpdate(crl, now));
	ENSURE(X509_CRL_set1_nextUpdate(crl, now));
	for (uint64_t i = 1; i <= count; i++)
		add_revoked(crl, i, now, reason);
	ENSURE(X509_CRL_sort(crl) && X509_CRL_sign(crl, key, EVP_sha256()));
	n = i2d_X509_CRL(crl, &der);
	ENSURE(n > 0);
	return (size_t)n;
}

static size_t by_us(uint64_t count)
{
	struct buf list = { .max = LIST_MAX }, sig = { .max = CRL_SIG_MAX };
	struct crl_entry e = { .at = clock_wall(), .reason = 1 };
	struct signkey *k;
	struct fault f;

	ENSURE(signkey_new(KEY_P256, 0, &k, &f) == OK);
	for (uint64_t i = 1; i <= count; i++) {
		e.serial = serial_of(i);
		ENSURE(crl_entry_put(&list, &e) == OK);
	}
	ENSURE(signkey_sign(k, span_of(list.p, list.len), &sig) == OK);
	signkey_free(&k);
	return list.len + sig.len;
}

int main(int argc, char **argv)
{
	uint64_t count, start;
	size_t bytes;

	if (argc != 3 ||
	    num_u64(argv[2], strlen(argv[2]), 10000000, &count) != OK)
		bench_die("usage: ca_crl openssl|own COUNT");
	start = clock_boot();
	bytes = (!strcmp(argv[1], "own") ? by_us : by_openssl)(count);
	printf("{\"ms\": %.1f, \"bytes\": %zu}\n",
	       (double)(clock_boot() - start) / (double)CLOCK_MS, bytes);
	return 0;
}
