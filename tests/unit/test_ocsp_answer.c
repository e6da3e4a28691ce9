/* lib/ocsp: answers made here are understood by libcrypto, the openssl command and
 * GnuTLS, and say the same there. */
#include "tests/unit/ocsp_world.h"

/* data, signed by the delegated key. */
static void response_of(const struct ocsp_basic *b, struct buf *out)
{
	AUTO(buf_wipe) struct buf data = { .max = OCSP_RESPONSE_MAX };
	struct span sig, cert = span_of(world.ocsp_der, world.ocsp_der_n);
	uint8_t room[600];

	assert_int_equal(ocsp_data_build(b, &data), OK);
	sig = pki_sign(world.ocsp_key, EVP_sha256(), span_of(data.p, data.len),
		       room);
	assert_int_equal(ocsp_response_join(span_of(data.p, data.len),
					    SIG_ECDSA_SHA256, sig, cert, out),
			 OK);
}

static int64_t seconds_of(const ASN1_GENERALIZEDTIME *t)
{
	struct tm tm = { 0 };

	assert_non_null(t);
	assert_int_equal(ASN1_TIME_to_tm(t, &tm), 1);
	return timegm(&tm);
}

/* libcrypto finds the single answer and reads what we said. */
static void same_single(OCSP_BASICRESP *basic, int i,
			const struct ocsp_single *want)
{
	static const int status[] = { V_OCSP_CERTSTATUS_GOOD,
				      V_OCSP_CERTSTATUS_REVOKED,
				      V_OCSP_CERTSTATUS_UNKNOWN };
	ASN1_GENERALIZEDTIME *revoked, *this_update, *next_update;
	const uint8_t *p = want->id.der.p;
	OCSP_CERTID *id = d2i_OCSP_CERTID(NULL, &p, (long)want->id.der.n);
	int reason = -9, got;

	assert_non_null(id);
	assert_int_equal(OCSP_resp_find(basic, id, -1), i);
	got = OCSP_single_get0_status(OCSP_resp_get0(basic, i), &reason,
				      &revoked, &this_update, &next_update);
	assert_int_equal(got, status[want->status]);
	assert_int_equal(seconds_of(this_update), want->this_update);
	assert_int_equal(seconds_of(next_update), want->next_update);
	if (want->status == OCSP_REVOKED) {
		assert_int_equal(seconds_of(revoked), want->revoked_at);
		assert_int_equal(reason, want->reason ? (int)want->reason : -1);
	}
	OCSP_CERTID_free(id);
}

static void verify(OCSP_BASICRESP *basic)
{
	X509_STORE *store = X509_STORE_new();

	X509_STORE_add_cert(store, world.ca);
	assert_int_equal(OCSP_basic_verify(basic, NULL, store, 0), 1);
	X509_STORE_free(store);
}

static void same_responder(OCSP_BASICRESP *basic)
{
	const ASN1_OCTET_STRING *by_key;
	const X509_NAME *by_name;

	assert_int_equal(OCSP_resp_get0_id(basic, &by_key, &by_name), 1);
	assert_null(by_name);
	same_octets(span_of(world.ocsp_id, 20), by_key);
	assert_int_equal(sk_X509_num(OCSP_resp_get0_certs(basic)), 1);
}

static void test_libcrypto_agrees_on_answers(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		AUTO(buf_wipe) struct buf out = { .max = OCSP_RESPONSE_MAX };
		unsigned count = i < 4 ? 3 : OCSP_CERTS_MAX;
		OCSP_REQUEST *q = request_of(count, i % 2, false);
		struct span ders[OCSP_CERTS_MAX], der = req_der(q);
		struct ocsp_request r;
		struct ocsp_basic b;
		OCSP_RESPONSE *resp;
		OCSP_BASICRESP *basic;
		const uint8_t *p;

		basic_of(&b, count, clock_wall() + (i & 2 ? -3 : 0), ders);
		assert_int_equal(parse(der, &r), OK);
		b.nonce = r.nonce;
		for (unsigned k = 0; k < count; k++)
			b.single[k].id = r.id[k];
		response_of(&b, &out);
		p = out.p;
		resp = d2i_OCSP_RESPONSE(NULL, &p, (long)out.len);
		assert_non_null(resp);
		assert_ptr_equal(p, out.p + out.len);
		assert_int_equal(OCSP_response_status(resp), 0);
		basic = OCSP_response_get1_basic(resp);
		assert_non_null(basic);
		verify(basic);
		same_responder(basic);
		assert_int_equal(seconds_of(OCSP_resp_get0_produced_at(basic)),
				 b.produced_at);
		/* 1: equal nonces, 2: both have none */
		assert_int_equal(OCSP_check_nonce(q, basic), i % 2 ? 1 : 2);
		assert_int_equal(OCSP_resp_count(basic), count);
		for (unsigned k = 0; k < count; k++)
			same_single(basic, (int)k, &b.single[k]);
		OCSP_BASICRESP_free(basic);
		OCSP_RESPONSE_free(resp);
		OCSP_REQUEST_free(q);
		span_free(der);
		basic_wipe(&b, ders);
	}
}

static void test_a_changed_answer_does_not_verify(void **state)
{
	AUTO(buf_wipe) struct buf out = { .max = OCSP_RESPONSE_MAX };
	X509_STORE *store = X509_STORE_new();
	struct span ders[OCSP_CERTS_MAX];
	OCSP_BASICRESP *basic;
	struct ocsp_basic b;
	OCSP_RESPONSE *resp;
	const uint8_t *p;

	(void)state;
	basic_of(&b, 2, clock_wall(), ders);
	response_of(&b, &out);
	swap(&out, "\xa1\x11\x18\x0f\x32", "\xa1\x11\x18\x0f\x31", 5);
	p = out.p;
	resp = d2i_OCSP_RESPONSE(NULL, &p, (long)out.len);
	assert_non_null(resp);
	basic = OCSP_response_get1_basic(resp);
	X509_STORE_add_cert(store, world.ca);
	assert_int_not_equal(OCSP_basic_verify(basic, NULL, store, 0), 1);
	X509_STORE_free(store);
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(resp);
	basic_wipe(&b, ders);
}

/* The delegated signer may have any key that we sign with. */
static void test_libcrypto_verifies_every_key_type(void **state)
{
	struct {
		enum sig_alg alg;
		EVP_PKEY *key;
		const EVP_MD *md;
	} kinds[] = {
		{ SIG_ECDSA_SHA384, EVP_EC_gen("P-384"), EVP_sha384() },
		{ SIG_ED25519, EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), NULL },
		{ SIG_RSA_SHA256, EVP_RSA_gen(3072u), EVP_sha256() },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(kinds); i++) {
		AUTO(buf_wipe) struct buf data = { .max = OCSP_RESPONSE_MAX };
		AUTO(buf_wipe) struct buf out = { .max = OCSP_RESPONSE_MAX };
		struct pki other = world;
		struct span ders[OCSP_CERTS_MAX], sig;
		struct ocsp_basic b;
		OCSP_RESPONSE *resp;
		OCSP_BASICRESP *basic;
		uint8_t room[600];
		const uint8_t *p;

		pki_make_ocsp(&other, kinds[i].key);
		basic_of(&b, 3, clock_wall(), ders);
		memcpy(b.responder, other.ocsp_id, 20);
		assert_int_equal(ocsp_data_build(&b, &data), OK);
		sig = pki_sign(kinds[i].key, kinds[i].md,
			       span_of(data.p, data.len), room);
		assert_int_equal(ocsp_response_join(span_of(data.p, data.len),
						    kinds[i].alg, sig,
						    span_of(other.ocsp_der,
							    other.ocsp_der_n),
						    &out),
				 OK);
		p = out.p;
		resp = d2i_OCSP_RESPONSE(NULL, &p, (long)out.len);
		assert_non_null(resp);
		basic = OCSP_response_get1_basic(resp);
		verify(basic);
		OCSP_BASICRESP_free(basic);
		OCSP_RESPONSE_free(resp);
		basic_wipe(&b, ders);
		X509_free(other.ocsp);
		OPENSSL_free(other.ocsp_der);
		EVP_PKEY_free(other.ocsp_key);
	}
}

static void test_error_answers(void **state)
{
	static const enum ocsp_status all[] = { OCSP_MALFORMED, OCSP_INTERNAL,
						OCSP_TRY_LATER,
						OCSP_UNAUTHORIZED };
	AUTO(buf_wipe) struct buf none = { .max = 64 };

	(void)state;
	for (size_t i = 0; i < NELEM(all); i++) {
		AUTO(buf_wipe) struct buf out = { .max = 64 };
		const uint8_t *p;
		OCSP_RESPONSE *resp;

		assert_int_equal(ocsp_error(all[i], &out), OK);
		p = out.p;
		resp = d2i_OCSP_RESPONSE(NULL, &p, (long)out.len);
		assert_non_null(resp);
		assert_int_equal(OCSP_response_status(resp), all[i]);
		assert_null(OCSP_response_get1_basic(resp));
		OCSP_RESPONSE_free(resp);
	}
	assert_int_equal(ocsp_error(OCSP_OK, &none), ERR_INVALID);
	assert_int_equal(none.len, 0);
}

/* ca.pem, ocsp.pem, leaf.pem and answer.der about the leaf lie in the folder. */
static void files_of(enum ocsp_cert_status status)
{
	AUTO(buf_wipe) struct buf out = { .max = OCSP_RESPONSE_MAX };
	X509 *leaf = pki_cert("leaf", world.ocsp_key, world.ca, 1234567);
	const ASN1_INTEGER *serial = X509_get0_serialNumber(leaf);
	OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), leaf, world.ca);
	struct ocsp_basic b = { .produced_at = clock_wall(), .count = 1 };
	uint8_t *der = NULL;
	int n = i2d_OCSP_CERTID(id, &der);

	(void)serial;
	assert_true(n > 0);
	assert_true(X509_sign(leaf, world.ca_key, EVP_sha256()) > 0);
	memcpy(b.responder, world.ocsp_id, 20);
	b.single[0] = (struct ocsp_single){
		.id.der = span_of(der, (size_t)n),
		.status = status,
		.revoked_at = b.produced_at - 100,
		.reason = 1,
		.this_update = b.produced_at,
		.next_update = b.produced_at + 600,
	};
	response_of(&b, &out);
	pki_write(&world, "answer.der", out.p, out.len);
	pki_write_pem(&world, "leaf.pem", leaf);
	OPENSSL_free(der);
	OCSP_CERTID_free(id);
	X509_free(leaf);
}

static void test_the_openssl_command_reads_answers(void **state)
{
	static const char *const says[] = { "leaf.pem: good",
					    "leaf.pem: revoked",
					    "leaf.pem: unknown" };

	(void)state;
	if (!pki_has(&world, "openssl"))
		return;
	for (int i = 0; i < 3; i++) {
		files_of((enum ocsp_cert_status)i);
		pki_says(&world,
			 "openssl ocsp -issuer ca.pem -cert leaf.pem -no_nonce "
			 "-CAfile ca.pem -respin answer.der",
			 says[i]);
		pki_says(&world,
			 "openssl ocsp -issuer ca.pem -cert leaf.pem -no_nonce "
			 "-CAfile ca.pem -respin answer.der",
			 "Response verify OK");
	}
	files_of(OCSP_REVOKED);
	pki_says(&world,
		 "openssl ocsp -issuer ca.pem -cert leaf.pem -no_nonce "
		 "-CAfile ca.pem -respin answer.der",
		 "Reason: keyCompromise");
}

static void test_gnutls_reads_answers(void **state)
{
	static const char *const says[] = { "Certificate Status: good",
					    "Certificate Status: revoked",
					    "Certificate Status: unknown" };

	(void)state;
	if (!pki_has(&world, "ocsptool"))
		return;
	for (int i = 0; i < 3; i++) {
		files_of((enum ocsp_cert_status)i);
		pki_says(&world,
			 "ocsptool --response-info --inder --infile answer.der",
			 says[i]);
		pki_says(&world,
			 "ocsptool --verify-response --inder --load-trust "
			 "ca.pem --infile answer.der",
			 "Success");
	}
}

static void test_reads_what_programs_ask(void **state)
{
	static const char *const commands[] = {
		"openssl ocsp -issuer ca.pem -cert leaf.pem -reqout q.der",
		"openssl ocsp -sha256 -issuer ca.pem -cert leaf.pem -no_nonce "
		"-serial 0x0102 -reqout q.der",
		"ocsptool --generate-request --load-issuer ca.pem --load-cert "
		"leaf.pem --outder --outfile q.der",
	};
	char path[128], said[4096];

	(void)state;
	if (!pki_has(&world, "openssl") || !pki_has(&world, "ocsptool"))
		return;
	files_of(OCSP_GOOD);
	snprintf(path, sizeof path, "%s/q.der", world.folder);
	for (size_t i = 0; i < NELEM(commands); i++) {
		uint8_t der[OCSP_REQUEST_MAX];
		struct ocsp_request r;
		FILE *in;
		size_t n;

		assert_int_equal(
			pki_run(&world, commands[i], said, sizeof said), 0);
		in = fopen(path, "r");
		assert_non_null(in);
		n = fread(der, 1, sizeof der, in);
		fclose(in);
		assert_int_equal(parse(span_of(der, n), &r), OK);
		assert_int_equal(r.count, i == 1 ? 2 : 1);
		assert_true(!r.nonce.p == (i != 0));
		assert_int_equal(r.id[0].hash,
				 i == 1 ? OCSP_SHA256 : OCSP_SHA1);
	}
}

/* Not a limit that a busy machine could miss: told, so that it can be seen. */
static void test_tells_what_an_answer_costs(void **state)
{
	enum {
		ROUNDS = 100000
	};
	AUTO(buf_wipe) struct buf data = { .max = OCSP_RESPONSE_MAX };
	AUTO(buf_wipe) struct buf out = { .max = OCSP_RESPONSE_MAX };
	struct span cert = span_of(world.ocsp_der, world.ocsp_der_n);
	struct span ders[OCSP_CERTS_MAX];
	struct ocsp_basic b, back;
	uint8_t sig[72] = { 0 };
	uint64_t t, built;

	(void)state;
	basic_of(&b, 1, NOW, ders);
	b.nonce = span_str("0123456789abcdef0123456789abcdef");
	t = clock_boot();
	for (int i = 0; i < ROUNDS; i++) {
		buf_clear(&data);
		buf_clear(&out);
		assert_int_equal(ocsp_data_build(&b, &data), OK);
		assert_int_equal(ocsp_response_join(span_of(data.p, data.len),
						    SIG_ECDSA_SHA256,
						    span_of(sig, sizeof sig),
						    cert, &out),
				 OK);
	}
	built = clock_boot() - t;
	t = clock_boot();
	for (int i = 0; i < ROUNDS; i++)
		assert_int_equal(
			ocsp_data_parse(span_of(data.p, data.len), &back, NULL),
			OK);
	print_message("data and response: %llu ns, reading data: %llu ns\n",
		      (unsigned long long)built / ROUNDS,
		      (unsigned long long)(clock_boot() - t) / ROUNDS);
	basic_wipe(&b, ders);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_libcrypto_agrees_on_answers),
		cmocka_unit_test(test_a_changed_answer_does_not_verify),
		cmocka_unit_test(test_libcrypto_verifies_every_key_type),
		cmocka_unit_test(test_error_answers),
		cmocka_unit_test(test_the_openssl_command_reads_answers),
		cmocka_unit_test(test_gnutls_reads_answers),
		cmocka_unit_test(test_reads_what_programs_ask),
		cmocka_unit_test(test_tells_what_an_answer_costs),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
