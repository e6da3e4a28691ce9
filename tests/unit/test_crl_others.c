/* lib/crl: lists written here are taken by libcrypto, the openssl command and GnuTLS,
 * and say the same there. */
#include "tests/unit/crl_world.h"

/* The whole list, signed by the world's CA. */
static void list_sign(struct buf *out, const struct buf *tbs)
{
	uint8_t room[600];
	struct span sig = pki_sign(world.ca_key, EVP_sha256(),
				   span_of(tbs->p, tbs->len), room);

	assert_int_equal(crl_outer_put(out, tbs->len, SIG_ECDSA_SHA256, sig.n),
			 OK);
	assert_int_equal(buf_put(out, tbs->p, tbs->len), OK);
	assert_int_equal(crl_sig_put(out, SIG_ECDSA_SHA256, sig), OK);
}

static void test_libcrypto_verifies_every_key_type(void **state)
{
	struct {
		enum sig_alg alg;
		EVP_PKEY *key;
		const EVP_MD *md;
	} kinds[] = {
		{ SIG_ECDSA_SHA384, EVP_EC_gen("P-384"), EVP_sha384() },
		{ SIG_ED25519, EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), NULL },
		{ SIG_RSA_SHA256, EVP_RSA_gen(2048u), EVP_sha256() },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(kinds); i++) {
		AUTO(buf_wipe) struct buf entries = { .max = LIST_MAX };
		AUTO(buf_wipe) struct buf tbs = { .max = LIST_MAX };
		AUTO(buf_wipe) struct buf out = { .max = LIST_MAX };
		struct crl_head h = head_of(NOW, true);
		uint8_t room[600];
		struct span sig;
		const uint8_t *p;
		X509_CRL *crl;

		h.alg = kinds[i].alg;
		entries_put(&entries, 300, NOW);
		tbs_of(&tbs, &h, &entries);
		assert_int_equal(read_whole(tbs.p, tbs.len), OK);
		sig = pki_sign(kinds[i].key, kinds[i].md,
			       span_of(tbs.p, tbs.len), room);
		assert_int_equal(crl_outer_put(&out, tbs.len, h.alg, sig.n),
				 OK);
		assert_int_equal(buf_put(&out, tbs.p, tbs.len), OK);
		assert_int_equal(crl_sig_put(&out, h.alg, sig), OK);
		p = out.p;
		crl = d2i_X509_CRL(NULL, &p, (long)out.len);
		assert_non_null(crl);
		assert_ptr_equal(p, out.p + out.len);
		assert_int_equal(X509_CRL_verify(crl, kinds[i].key), 1);
		X509_CRL_free(crl);
		EVP_PKEY_free(kinds[i].key);
	}
}

static int64_t seconds_of(const ASN1_TIME *t)
{
	struct tm tm = { 0 };

	assert_int_equal(ASN1_TIME_to_tm(t, &tm), 1);
	return timegm(&tm);
}

static void same_entry(X509_CRL *crl, int i, const struct crl_entry *want)
{
	X509_REVOKED *rev = sk_X509_REVOKED_value(X509_CRL_get_REVOKED(crl), i);
	const ASN1_INTEGER *serial = X509_REVOKED_get0_serialNumber(rev);
	ASN1_ENUMERATED *reason;
	int critical;

	assert_int_equal(ASN1_STRING_length(serial), SERIAL_SIZE);
	assert_memory_equal(ASN1_STRING_get0_data(serial), want->serial.b,
			    SERIAL_SIZE);
	assert_int_equal(seconds_of(X509_REVOKED_get0_revocationDate(rev)),
			 want->at);
	reason = X509_REVOKED_get_ext_d2i(rev, NID_crl_reason, &critical, NULL);
	assert_int_equal(critical, want->reason ? 0 : -1);
	if (reason)
		assert_int_equal(ASN1_ENUMERATED_get(reason), want->reason);
	ASN1_ENUMERATED_free(reason);
}

static void same_point(X509_CRL *crl, bool shard)
{
	int critical = -9;
	ISSUING_DIST_POINT *idp = X509_CRL_get_ext_d2i(
		crl, NID_issuing_distribution_point, &critical, NULL);
	GENERAL_NAME *name;

	assert_int_equal(critical, shard ? 1 : -1);
	if (!shard) {
		assert_null(idp);
		return;
	}
	assert_int_equal(idp->distpoint->type, 0);
	assert_int_equal(sk_GENERAL_NAME_num(idp->distpoint->name.fullname), 1);
	name = sk_GENERAL_NAME_value(idp->distpoint->name.fullname, 0);
	assert_int_equal(name->type, GEN_URI);
	assert_string_equal(ASN1_STRING_get0_data(name->d.ia5), point);
	assert_int_equal(idp->onlyuser | idp->onlyCA | idp->indirectCRL |
				 idp->onlyattr,
			 0);
	ISSUING_DIST_POINT_free(idp);
}

static void same_head(X509_CRL *crl, const struct crl_head *h)
{
	AUTHORITY_KEYID *key;
	ASN1_INTEGER *number;
	int critical = -9;

	assert_int_equal(X509_CRL_get_version(crl), 1);
	assert_int_equal(X509_NAME_cmp(X509_CRL_get_issuer(crl),
				       X509_get_subject_name(world.ca)),
			 0);
	assert_int_equal(seconds_of(X509_CRL_get0_lastUpdate(crl)),
			 h->this_update);
	assert_int_equal(seconds_of(X509_CRL_get0_nextUpdate(crl)),
			 h->next_update);
	key = X509_CRL_get_ext_d2i(crl, NID_authority_key_identifier, &critical,
				   NULL);
	assert_int_equal(critical, 0);
	assert_memory_equal(ASN1_STRING_get0_data(key->keyid), world.ca_id, 20);
	AUTHORITY_KEYID_free(key);
	number = X509_CRL_get_ext_d2i(crl, NID_crl_number, &critical, NULL);
	assert_int_equal(critical, 0);
	assert_int_equal(ASN1_INTEGER_get(number), h->number);
	ASN1_INTEGER_free(number);
}

static void test_libcrypto_agrees_on_lists(void **state)
{
	static const unsigned counts[] = { 0, 1, 9, 3000 };
	int64_t now = clock_wall();

	(void)state;
	for (unsigned i = 0; i < 2 * NELEM(counts); i++) {
		AUTO(buf_wipe) struct buf entries = { .max = LIST_MAX };
		AUTO(buf_wipe) struct buf tbs = { .max = LIST_MAX };
		AUTO(buf_wipe) struct buf out = { .max = LIST_MAX };
		struct crl_head h = head_of(now, i % 2);
		unsigned n = counts[i / 2];
		const uint8_t *p;
		X509_CRL *crl;

		entries_put(&entries, n, now);
		tbs_of(&tbs, &h, &entries);
		list_sign(&out, &tbs);
		p = out.p;
		crl = d2i_X509_CRL(NULL, &p, (long)out.len);
		assert_non_null(crl);
		assert_ptr_equal(p, out.p + out.len);
		assert_int_equal(X509_CRL_verify(crl, world.ca_key), 1);
		same_head(crl, &h);
		same_point(crl, i % 2);
		assert_int_equal(
			MAX(sk_X509_REVOKED_num(X509_CRL_get_REVOKED(crl)), 0),
			n);
		for (unsigned k = 1; k <= n; k++) {
			static const unsigned reasons[] = { 0, 1, 2, 3, 4,
							    5, 6, 9, 10 };
			struct crl_entry e = entry_of(
				3 * k, now - k, reasons[k % NELEM(reasons)]);

			same_entry(crl, (int)k - 1, &e);
		}
		X509_CRL_free(crl);
	}
}

/* Times of both forms, around the turn of 2050. */
static void test_libcrypto_agrees_on_times(void **state)
{
	static const int64_t at[] = { 0,          946684799,  1709164800,
				      2524607999, 2524608000, 253402300799 };
	AUTO(buf_wipe) struct buf entries = { .max = LIST_MAX };
	AUTO(buf_wipe) struct buf tbs = { .max = LIST_MAX };
	AUTO(buf_wipe) struct buf out = { .max = LIST_MAX };
	struct crl_head h = head_of(NOW, false);
	const uint8_t *p;
	X509_CRL *crl;

	(void)state;
	for (unsigned i = 0; i < NELEM(at); i++) {
		struct crl_entry e = entry_of(i + 1, at[i], i % 2);

		assert_int_equal(crl_entry_put(&entries, &e), OK);
	}
	tbs_of(&tbs, &h, &entries);
	list_sign(&out, &tbs);
	p = out.p;
	crl = d2i_X509_CRL(NULL, &p, (long)out.len);
	assert_non_null(crl);
	for (unsigned i = 0; i < NELEM(at); i++) {
		struct crl_entry e = entry_of(i + 1, at[i], i % 2);

		same_entry(crl, (int)i, &e);
	}
	X509_CRL_free(crl);
	/* and the reader, in a list of the year 9999 but for its own last second */
	entries.len -= crl_entry_size(
		&(struct crl_entry){ entry_of(6, at[5], 1).serial, at[5], 1 });
	h.this_update = 253402300790;
	h.next_update = 253402300799;
	buf_clear(&tbs);
	tbs_of(&tbs, &h, &entries);
	assert_int_equal(read_whole(tbs.p, tbs.len), OK);
	/* a UTCTime's moment as GeneralizedTime, and the other way round */
	swap(&tbs,
	     "\x18\x0f"
	     "20500101000000Z",
	     "\x18\x0f"
	     "20490101000000Z",
	     17);
	assert_int_equal(read_whole(tbs.p, tbs.len), ERR_INVALID);
}

static void files_of(unsigned n, bool shard)
{
	AUTO(buf_wipe) struct buf entries = { .max = LIST_MAX };
	AUTO(buf_wipe) struct buf tbs = { .max = LIST_MAX };
	AUTO(buf_wipe) struct buf out = { .max = LIST_MAX };
	struct crl_head h = head_of(clock_wall(), shard);

	entries_put(&entries, n, h.this_update);
	tbs_of(&tbs, &h, &entries);
	list_sign(&out, &tbs);
	pki_write(&world, "crl.der", out.p, out.len);
}

static void test_the_openssl_command_reads_lists(void **state)
{
	static const char text[] =
		"openssl crl -inform DER -in crl.der -CAfile ca.pem -text "
		"-noout";

	(void)state;
	if (!pki_has(&world, "openssl"))
		return;
	files_of(20, true);
	pki_says(&world, text, "verify OK");
	pki_says(&world, text, "Issuing Distribution Point: critical");
	pki_says(&world, text, "URI:http://ca.example:7080/crl/7");
	pki_says(&world, text, "Key Compromise");
	files_of(0, false);
	pki_says(&world, text, "verify OK");
	pki_says(&world, text, "No Revoked Certificates");
}

static void test_gnutls_reads_lists(void **state)
{
	(void)state;
	if (!pki_has(&world, "certtool"))
		return;
	files_of(20, true);
	pki_says(&world, "certtool --crl-info --inder --infile crl.der",
		 "Revoked certificates (20)");
	pki_says(&world,
		 "openssl crl -inform DER -in crl.der -out crl.pem && certtool "
		 "--verify-crl --load-ca-certificate ca.pem --infile crl.pem",
		 "Verified");
	files_of(0, false);
	pki_says(&world, "certtool --crl-info --inder --infile crl.der",
		 "No revoked certificates");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_libcrypto_agrees_on_lists),
		cmocka_unit_test(test_libcrypto_verifies_every_key_type),
		cmocka_unit_test(test_libcrypto_agrees_on_times),
		cmocka_unit_test(test_the_openssl_command_reads_lists),
		cmocka_unit_test(test_gnutls_reads_lists),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
