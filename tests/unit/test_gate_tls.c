/* ca/gate*.c on its TLS port: its own certificate, who the client is, /v1/…. */
#include "tests/unit/gate_tls_world.h"

#include "lib/csr.h"

#include <sys/mman.h>

#define ANY "NORMAL"

struct fixture {
	struct world w;
	struct test_ca ca;
};

/* A gate that has its certificate. */
static void begin(struct fixture *x)
{
	world_start(&x->w);
	test_ca_make(&x->ca);
	world_chain(&x->w, &x->ca);
	world_certify(&x->w, &x->ca, 3600);
	world_quiet(&x->w);
}

static void end(struct fixture *x)
{
	world_end(&x->w);
	test_ca_wipe(&x->ca);
}

/* A client certificate of the test's CA. */
static gnutls_x509_privkey_t client_cert(struct test_ca *ca,
					 gnutls_datum_t *der)
{
	gnutls_x509_privkey_t key = test_key();
	gnutls_x509_crt_t crt;

	good(gnutls_x509_crt_init(&crt));
	test_crt_fill(ca, crt, "an agent", 3600);
	good(gnutls_x509_crt_set_key(crt, key));
	good(gnutls_x509_crt_sign2(crt, ca->crt, ca->key, GNUTLS_DIG_SHA256,
				   0));
	good(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_DER, der));
	gnutls_x509_crt_deinit(crt);
	return key;
}

static void has(const struct msg *m, const char *name, const char *value)
{
	struct attr a;

	if (attr_only(m->attrs, name, &a) != OK || !attr_is(&a, value))
		fail_msg("%s is not %s", name, value);
}

static void has_bytes(const struct msg *m, const char *name, const void *p,
		      size_t n)
{
	struct attr a;

	assert_int_equal(attr_only(m->attrs, name, &a), OK);
	assert_int_equal(a.len, n);
	assert_memory_equal(a.value, p, n);
}

static void without_a_certificate_the_handshake_fails(void **state)
{
	struct tls_client c;
	struct answer r;
	struct fixture x;
	int plain;

	(void)state;
	world_start(&x.w);
	test_ca_make(&x.ca);
	assert_true(tls_open(&c, &x.w, &x.ca, NULL, NULL, ANY) < 0);
	tls_end(&c);
	plain = client_open(x.w.plain);
	client_text(plain, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n");
	client_answer(plain, &r);
	assert_int_equal(r.status, 503);
	answer_wipe(&r);
	close(plain);
	end(&x);
}

static void its_request_is_one_that_we_take(void **state)
{
	static struct csr csr;
	struct fixture x;
	struct fault f = { .text = "" };
	struct msg m;
	struct attr a;

	(void)state;
	world_start(&x.w);
	test_ca_make(&x.ca);
	world_chain(&x.w, &x.ca);
	m = world_get(&x.w, GI_TLS);
	assert_int_equal(attr_only(m.attrs, "csr", &a), OK);
	if (csr_parse(span_of(a.value, a.len), &csr, &f) != OK)
		fail_msg("%s", f.text);
	assert_int_equal(csr.key.type, KEY_P256);
	end(&x);
}

static void a_refused_certificate_is_asked_for_again(void **state)
{
	struct tls_client c;
	struct fixture x;
	struct msg m;

	(void)state;
	world_start(&x.w);
	test_ca_make(&x.ca);
	world_chain(&x.w, &x.ca);
	m = world_get(&x.w, GI_TLS);
	world_put_text(&x.w, GI_REPLY, m.id, "error=sealed text=sealed");
	world_certify(&x.w, &x.ca, 3600);
	world_quiet(&x.w);
	good(tls_open(&c, &x.w, &x.ca, NULL, NULL, ANY));
	tls_end(&c);
	end(&x);
}

static void tls_is_1_2_or_1_3(void **state)
{
	static const struct {
		const char *priority;
		bool works;
	} tries[] = {
		{ "NORMAL:-VERS-ALL:+VERS-TLS1.3", true },
		{ "NORMAL:-VERS-ALL:+VERS-TLS1.2", true },
		{ "NORMAL:-VERS-ALL:+VERS-TLS1.1:%ALLOW_SMALL_RECORDS", false },
		{ "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-CBC",
		  false },
	};
	struct tls_client c;
	struct fixture x;
	struct answer r;

	(void)state;
	begin(&x);
	for (size_t i = 0; i < NELEM(tries); i++) {
		int e = tls_open(&c, &x.w, &x.ca, NULL, NULL,
				 tries[i].priority);

		assert_int_equal(e >= 0, tries[i].works);
		if (e >= 0) {
			tls_get(&c, "/readyz");
			tls_answer(&c, &r);
			assert_int_equal(r.status, 200);
			answer_wipe(&r);
		}
		tls_end(&c);
	}
	end(&x);
}

static void enrolment_goes_to_the_issuer_and_back(void **state)
{
	static const uint8_t id[16] = { 0, 1, 2,  3,  4,  5,  6,  7,
					8, 9, 10, 11, 12, 13, 14, 255 };
	struct tls_client c;
	struct fixture x;
	struct attrs list;
	struct answer r;
	struct msg m;

	(void)state;
	begin(&x);
	good(tls_open(&c, &x.w, &x.ca, NULL, NULL, ANY));
	tls_post(&c, "/v1/enrol",
		 "{\"token_id\":\"000102030405060708090a0b0c0d0eFF\","
		 "\"csr\":\"-----BEGIN CERTIFICATE REQUEST-----\\nYWJj\\n"
		 "-----END CERTIFICATE REQUEST-----\\n\","
		 "\"signature\":\"c2lnbmVk\",\"names\":[\"a.b\",\"c.d\"],"
		 "\"agent\":null}");
	m = world_get(&x.w, GI_CALL);
	has(&m, "verb", "enrol");
	has(&m, "address", "127.0.0.1");
	has_bytes(&m, "token_id", id, sizeof id);
	has(&m, "csr", "abc");
	has(&m, "signature", "signed");
	assert_int_equal(attr_count(m.attrs, "name"), 2);
	assert_int_equal(attr_count(m.attrs, "agent"), 0);
	assert_int_equal(attr_count(m.attrs, "peer"), 0);
	world_text(&list, "certificate=abc issuer=def serial=01ab agent=A "
			  "not_before=1994-11-06T08:49:37Z "
			  "not_after=1994-11-06T09:49:37Z "
			  "request_id=r1 hidden=yes");
	world_put(&x.w, GI_REPLY, m.id, &list);
	attrs_wipe(&list);
	tls_answer(&c, &r);
	assert_int_equal(r.status, 200);
	answer_has(&r, "Content-Type: application/json");
	answer_has(&r, "Cache-Control: no-store");
	assert_string_equal(
		(char *)r.body,
		"{\"certificate\":\"-----BEGIN CERTIFICATE-----\\nYWJj\\n"
		"-----END CERTIFICATE-----\\n\",\"chain\":\"-----BEGIN "
		"CERTIFICATE-----\\nZGVm\\n-----END CERTIFICATE-----\\n\","
		"\"serial\":\"01ab\",\"agent\":\"A\",\"not_before\":"
		"\"1994-11-06T08:49:37Z\",\"not_after\":"
		"\"1994-11-06T09:49:37Z\",\"request_id\":\"r1\"}\n");
	answer_wipe(&r);
	tls_end(&c);
	end(&x);
}

static void a_bearer_token_is_confidential(void **state)
{
	struct tls_client c;
	struct fixture x;
	struct attr a;
	struct msg m;

	(void)state;
	begin(&x);
	good(tls_open(&c, &x.w, &x.ca, NULL, NULL, ANY));
	tls_post(&c, "/v1/enrol", "{\"token\":\"ct1_x\",\"csr\":\"YWJj\"}");
	m = world_get(&x.w, GI_CALL);
	assert_int_equal(attr_only(m.attrs, "token", &a), OK);
	assert_int_equal(a.flags, ATTR_CONFIDENTIAL);
	tls_end(&c);
	end(&x);
}

static void the_issuer_hears_of_a_client_once(void **state)
{
	gnutls_x509_privkey_t key;
	struct tls_client c;
	gnutls_datum_t der;
	struct fixture x;
	struct answer r;
	struct msg m;
	uint64_t peer;
	char text[32];

	(void)state;
	begin(&x);
	key = client_cert(&x.ca, &der);
	good(tls_open(&c, &x.w, &x.ca, key, &der, ANY));
	tls_post(&c, "/v1/certificates/renew", "{\"csr\":\"YWJj\"}");
	m = world_get(&x.w, GI_PEER);
	peer = m.id;
	has_bytes(&m, "cert", der.data, der.size);
	(void)snprintf(text, sizeof text, "%llu", (unsigned long long)peer);
	m = world_get(&x.w, GI_CALL);
	has(&m, "verb", "renew");
	has(&m, "peer", text);
	world_put_text(&x.w, GI_REPLY, m.id,
		       "error=denied text=\"not \\\"you\\\"\" request_id=q");
	tls_answer(&c, &r);
	assert_int_equal(r.status, 403);
	assert_string_equal(
		(char *)r.body,
		"{\"type\":\"urn:cretula:error:denied\",\"title\":\"not "
		"allowed\",\"status\":403,\"detail\":\"not \\\"you\\\"\","
		"\"request_id\":\"q\"}\n");
	answer_wipe(&r);
	tls_post(&c, "/v1/certificates/01:AB/revoke",
		 "{\"reason\":\"keyCompromise\"}");
	m = world_get(&x.w, GI_CALL);
	has(&m, "verb", "revoke");
	has(&m, "serial", "01:AB");
	has(&m, "peer", text);
	world_put_text(&x.w, GI_REPLY, m.id,
		       "error=limited text=slow retry_after=17 request_id=q");
	tls_answer(&c, &r);
	assert_int_equal(r.status, 429);
	answer_has(&r, "Retry-After: 17");
	answer_wipe(&r);
	/* another issuer hears of it again */
	world_meet(&x.w);
	world_quiet(&x.w);
	tls_get(&c, "/v1/certificates/01ab");
	assert_int_equal(world_get(&x.w, GI_PEER).id, peer);
	m = world_get(&x.w, GI_CALL);
	has(&m, "verb", "show");
	has(&m, "serial", "01ab");
	world_put_text(&x.w, GI_REPLY, m.id, "serial=01ab status=good");
	tls_answer(&c, &r);
	assert_string_equal((char *)r.body,
			    "{\"serial\":\"01ab\",\"status\":\"good\"}\n");
	answer_wipe(&r);
	tls_end(&c);
	assert_int_equal(world_get(&x.w, GI_PEER_GONE).id, peer);
	gnutls_x509_privkey_deinit(key);
	gnutls_free(der.data);
	end(&x);
}

static const struct {
	const char *path, *body;
	unsigned status;
	const char *words;
} bad[] = {
	{ "/v1/certificates", "{}", 401, "client certificate" },
	{ "/v1/certificates/renew", "{\"csr\":\"YWJj\"}", 401, "unauthent" },
	{ "/v1/enrol", "", 400, "JSON" },
	{ "/v1/enrol", "{\"csr\":\"YWJj\",\n  nonsense}", 400,
	  "line 2, column" },
	{ "/v1/enrol", "[1]", 400, "object" },
	{ "/v1/enrol", "{\"csr\":1}", 400, "'csr' must be PEM" },
	{ "/v1/enrol", "{\"csr\":\"*\"}", 400, "'csr' must be PEM" },
	{ "/v1/enrol", "{\"csr\":\"YWJj\",\"csr\":\"YWJj\"}", 400, "dup" },
	{ "/v1/enrol", "{\"admin\":\"yes\"}", 400, "'admin' is not one" },
	{ "/v1/enrol", "{\"token_id\":\"00\",\"agent\":\"a\\u0000b\"}", 400,
	  "JSON" },
	{ "/v1/enrol", "{\"names\":[[\"a\"]]}", 400, "'names' must be" },
};

static void bad_requests_are_told_what_is_wrong(void **state)
{
	struct tls_client c;
	struct fixture x;
	struct answer r;

	(void)state;
	begin(&x);
	good(tls_open(&c, &x.w, &x.ca, NULL, NULL, ANY));
	for (size_t i = 0; i < NELEM(bad); i++) {
		tls_post(&c, bad[i].path, bad[i].body);
		tls_answer(&c, &r);
		assert_int_equal(r.status, bad[i].status);
		answer_has(&r, "Content-Type: application/problem+json");
		body_has(&r, bad[i].words);
		answer_wipe(&r);
	}
	world_quiet(&x.w); /* none of them went on */
	tls_end(&c);
	end(&x);
}

static void a_body_over_64_kib_is_refused_at_once(void **state)
{
	struct tls_client c;
	struct fixture x;
	struct answer r;

	(void)state;
	begin(&x);
	good(tls_open(&c, &x.w, &x.ca, NULL, NULL, ANY));
	tls_send(&c, "POST /v1/enrol HTTP/1.1\r\nHost: x\r\nContent-Type: "
		     "application/json\r\nContent-Length: 65537\r\n\r\n");
	tls_answer(&c, &r);
	assert_int_equal(r.status, 413);
	body_has(&r, "64 KiB");
	answer_wipe(&r);
	tls_end(&c);
	end(&x);
}

static void the_ca_tells_about_itself(void **state)
{
	struct tls_client c;
	struct fixture x;
	struct answer r;
	struct msg m;

	(void)state;
	begin(&x);
	good(tls_open(&c, &x.w, &x.ca, NULL, NULL, ANY));
	tls_get(&c, "/v1/ca");
	m = world_get(&x.w, GI_CALL);
	has(&m, "verb", "status");
	world_put_text(&x.w, GI_REPLY, m.id,
		       "domain=example certificates=17 request_id=z");
	tls_answer(&c, &r);
	assert_int_equal(r.status, 200);
	body_has(&r, "{\"root\":\"-----BEGIN CERTIFICATE-----\\n");
	body_has(&r, "\"domains\":[\"example\"],\"request_id\":\"z\"}\n");
	answer_wipe(&r);
	tls_get(&c, "/metrics");
	tls_answer(&c, &r);
	body_has(&r, "cretula_ca_gate_calls_done_total 1\n");
	answer_wipe(&r);
	tls_end(&c);
	end(&x);
}

static void the_certificate_is_renewed_under_a_connection(void **state)
{
	struct tls_client old, new;
	const gnutls_datum_t *before, *after;
	struct fixture x;
	struct answer r;
	unsigned n;

	(void)state;
	world_start(&x.w);
	test_ca_make(&x.ca);
	world_chain(&x.w, &x.ca);
	world_certify(&x.w, &x.ca, 3);
	world_quiet(&x.w);
	good(tls_open(&old, &x.w, &x.ca, NULL, NULL, ANY));
	/* after two of the three seconds */
	world_certify(&x.w, &x.ca, 3600);
	world_quiet(&x.w);
	good(tls_open(&new, &x.w, &x.ca, NULL, NULL, ANY));
	before = gnutls_certificate_get_peers(old.session, &n);
	assert_int_equal(n, 2);
	after = gnutls_certificate_get_peers(new.session, &n);
	assert_int_equal(n, 2);
	assert_true(before->size != after->size ||
		    memcmp(before->data, after->data, before->size));
	tls_get(&old, "/healthz");
	tls_answer(&old, &r);
	assert_int_equal(r.status, 200);
	answer_wipe(&r);
	tls_end(&old);
	tls_end(&new);
	end(&x);
}

static void the_issuer_dies_during_a_call(void **state)
{
	struct tls_client c;
	struct fixture x;
	struct answer r;

	(void)state;
	begin(&x);
	good(tls_open(&c, &x.w, &x.ca, NULL, NULL, ANY));
	tls_post(&c, "/v1/enrol", "{\"csr\":\"YWJj\"}");
	(void)world_get(&x.w, GI_CALL);
	fd_close(&x.w.issuer);
	tls_answer(&c, &r);
	assert_int_equal(r.status, 503);
	answer_has(&r, "Retry-After: 1");
	answer_wipe(&r);
	tls_post(&c, "/v1/enrol", "{\"csr\":\"YWJj\"}");
	tls_answer(&c, &r);
	assert_int_equal(r.status, 503);
	answer_wipe(&r);
	tls_end(&c);
	end(&x);
}

static void a_crl_goes_through_tls_too(void **state)
{
	int fd = memfd_create("crl", MFD_CLOEXEC);
	struct tls_client c;
	struct fixture x;
	struct attrs a;
	struct answer r;

	(void)state;
	begin(&x);
	assert_int_equal(pwrite(fd, "revoked", 7, 0), 7);
	world_text(&a, "number=1 this_update=1 next_update=2 size=7 offset=0");
	fd_send(x.w.issuer, GI_CRL, 1, attrs_view(&a), fd);
	attrs_wipe(&a);
	close(fd);
	assert_int_equal(world_get(&x.w, GI_DROPPED).id, 1);
	good(tls_open(&c, &x.w, &x.ca, NULL, NULL, ANY));
	tls_get(&c, "/crl");
	tls_answer(&c, &r);
	assert_int_equal(r.len, 7);
	assert_memory_equal(r.body, "revoked", 7);
	answer_wipe(&r);
	tls_end(&c);
	end(&x);
}

/* A certificate with an RSA key that nobody has, of so many bytes. */
static gnutls_datum_t strange_cert(struct test_ca *ca, size_t modulus,
				   size_t exponent)
{
	uint8_t *n = malloc(modulus), *e = malloc(exponent);
	gnutls_datum_t m = { n, (unsigned)modulus },
		       x = { e, (unsigned)exponent };
	gnutls_x509_crt_t crt;
	gnutls_pubkey_t pub;
	gnutls_datum_t der;

	assert_true(n && e);
	memset(n, 0xa5, modulus);
	memset(e, 0x65, exponent);
	good(gnutls_pubkey_init(&pub));
	good(gnutls_pubkey_import_rsa_raw(pub, &m, &x));
	good(gnutls_x509_crt_init(&crt));
	test_crt_fill(ca, crt, "a stranger", 3600);
	good(gnutls_x509_crt_set_pubkey(crt, pub));
	good(gnutls_x509_crt_sign2(crt, ca->crt, ca->key, GNUTLS_DIG_SHA256,
				   0));
	good(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_DER, &der));
	gnutls_x509_crt_deinit(crt);
	gnutls_pubkey_deinit(pub);
	free(n);
	free(e);
	return der;
}

static void put24(struct buf *b, size_t v)
{
	assert_int_equal(buf_u8(b, (uint8_t)(v >> 16)), OK);
	assert_int_equal(buf_u16(b, (uint16_t)v), OK);
}

/* The message that shows that certificate. */
static void shown_put(struct buf *b, const gnutls_datum_t *der, bool tls13)
{
	buf_clear(b);
	if (tls13)
		assert_int_equal(buf_u8(b, 0), OK);
	put24(b, der->size + 3 + (tls13 ? 2 : 0));
	put24(b, der->size);
	assert_int_equal(buf_put(b, der->data, der->size), OK);
	if (tls13)
		assert_int_equal(buf_u16(b, 0), OK);
}

static void assert_shown(const gnutls_datum_t *der, bool ok)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	for (int tls13 = 0; tls13 < 2; tls13++) {
		shown_put(&b, der, tls13);
		assert_int_equal(gate_shown_ok(b.p, b.len, tls13), ok);
		for (size_t n = 0; n < 4; n++)
			assert_false(gate_shown_ok(b.p, n, tls13));
		assert_false(gate_shown_ok(b.p, der->size, tls13));
	}
	buf_wipe(&b);
}

static void a_key_is_of_a_kind_and_size_that_we_certify(void **state)
{
	static const struct {
		size_t n, e;
		bool ok;
	} rsa[] = {
		{ 256, 3, true },  { 512, 4, true },   { 513, 3, false },
		{ 512, 5, false }, { 8192, 3, false },
	};
	struct test_ca ca;
	gnutls_datum_t der;

	(void)state;
	test_ca_make(&ca);
	assert_shown(&ca.der, true); /* P-256 */
	for (size_t i = 0; i < NELEM(rsa); i++) {
		der = strange_cert(&ca, rsa[i].n, rsa[i].e);
		assert_shown(&der, rsa[i].ok);
		gnutls_free(der.data);
	}
	assert_true(gate_shown_ok("\0\0\0\0", 4, true));
	assert_true(gate_shown_ok("\0\0\0", 3, false));
	test_ca_wipe(&ca);
}

/* A "signature" by whatever key. */

static int forge(gnutls_privkey_t key, gnutls_sign_algorithm_t alg, void *arg,
		 unsigned flags, const gnutls_datum_t *data,
		 gnutls_datum_t *sig)
{
	(void)key;
	(void)alg;
	(void)flags;
	(void)data;
	sig->size = *(const unsigned *)arg;
	sig->data = gnutls_calloc(1, sig->size);
	sig->data[1] = 1;
	return 0;
}

static int forger(gnutls_privkey_t key, unsigned flags, void *arg)
{
	(void)key;
	if (flags & GNUTLS_PRIVKEY_INFO_PK_ALGO)
		return GNUTLS_PK_RSA;
	if (flags & GNUTLS_PRIVKEY_INFO_PK_ALGO_BITS)
		return 8 * *(const int *)arg;
	return flags & GNUTLS_PRIVKEY_INFO_HAVE_SIGN_ALGO ? 1 : -1;
}

static int forged_handshake(struct tls_client *c, struct world *w,
			    struct test_ca *ca, unsigned *bytes)
{
	gnutls_datum_t der = strange_cert(ca, *bytes, *bytes);
	gnutls_privkey_t key;
	gnutls_pcert_st cert;
	int e;

	good(gnutls_privkey_init(&key));
	good(gnutls_privkey_import_ext4(key, bytes, forge, forge, NULL, NULL,
					forger, 0));
	good(gnutls_pcert_import_x509_raw(&cert, &der, GNUTLS_X509_FMT_DER, 0));
	c->fd = client_open(w->tls);
	good(gnutls_certificate_allocate_credentials(&c->cred));
	gnutls_certificate_set_flags(c->cred,
				     GNUTLS_CERTIFICATE_SKIP_KEY_CERT_MATCH);
	good(gnutls_certificate_set_key(c->cred, NULL, 0, &cert, 1, key));
	good(gnutls_init(&c->session, GNUTLS_CLIENT));
	good(gnutls_priority_set_direct(c->session, ANY, NULL));
	good(gnutls_credentials_set(c->session, GNUTLS_CRD_CERTIFICATE,
				    c->cred));
	gnutls_transport_set_int(c->session, c->fd);
	do
		e = gnutls_handshake(c->session);
	while (e < 0 && !gnutls_error_is_fatal(e));
	gnutls_free(der.data);
	return e;
}

/* Ticks of processor time. */
static uint64_t work_of(pid_t pid)
{
	char path[64], line[1024];
	const char *at;
	FILE *f;

	(void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof line, f));
	(void)fclose(f);
	at = strrchr(line, ')');
	assert_non_null(at);
	for (int i = 0; i < 12; i++) /* utime is the 14th, the name the 2nd */
		at = strchr(at, ' ') + 1;
	return world_number(at);
}

static void a_strange_key_keeps_nobody_waiting(void **state)
{
	unsigned bytes = 4096; /* that costs seconds */
	struct tls_client c;
	struct fixture x;
	uint64_t before;
	char b;

	(void)state;
	begin(&x);
	before = work_of(x.w.pid);
	/* it has said all before the gate has judged it */
	(void)forged_handshake(&c, &x.w, &x.ca, &bytes);
	assert_true(gnutls_record_recv(c.session, &b, 1) <= 0);
	assert_true(work_of(x.w.pid) - before <
		    (uint64_t)sysconf(_SC_CLK_TCK) / 2);
	tls_end(&c);
	end(&x);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_is_of_a_kind_and_size_that_we_certify),
		cmocka_unit_test(a_strange_key_keeps_nobody_waiting),
		cmocka_unit_test(without_a_certificate_the_handshake_fails),
		cmocka_unit_test(its_request_is_one_that_we_take),
		cmocka_unit_test(a_refused_certificate_is_asked_for_again),
		cmocka_unit_test(tls_is_1_2_or_1_3),
		cmocka_unit_test(enrolment_goes_to_the_issuer_and_back),
		cmocka_unit_test(a_bearer_token_is_confidential),
		cmocka_unit_test(the_issuer_hears_of_a_client_once),
		cmocka_unit_test(bad_requests_are_told_what_is_wrong),
		cmocka_unit_test(a_body_over_64_kib_is_refused_at_once),
		cmocka_unit_test(the_ca_tells_about_itself),
		cmocka_unit_test(the_certificate_is_renewed_under_a_connection),
		cmocka_unit_test(the_issuer_dies_during_a_call),
		cmocka_unit_test(a_crl_goes_through_tls_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
