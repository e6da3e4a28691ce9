/* lib/profile_fill, lib/profile_name: what a certificate of each kind says, which names
 * it may have, and how long it lives. */
#include "tests/unit/profile_world.h"

static struct world w;

static int begin(void **state)
{
	(void)state;
	world_open(&w);
	return 0;
}

static int end(void **state)
{
	(void)state;
	world_close(&w);
	return 0;
}

/* One wish and what came of it. */
struct
try {
	struct serial serial;
	struct wish wish;
	struct profile_room room;
	struct cert c;
	struct fault f;
};

static void try_init(struct try *t)
{
	static const uint8_t tail[SERIAL_TAIL] = { 1, 2, 3 };

	memset(t, 0, sizeof *t);
	serial_make(3, 7, tail, &t->serial);
	t->wish = (struct wish){ .node = span_str("n1.example"),
				 .agent = span_str(WORLD_AGENT),
				 .key = &w.key[KEY_P256],
				 .now = WORLD_NOW,
				 .serial = &t->serial };
}

static void try_wipe(struct try *t)
{
	profile_room_wipe(&t->room);
}

static enum err fill(struct try *t, const char *profile)
{
	enum err e;

	memset(&t->f, 0, sizeof t->f);
	e = profile_fill(world_profile(&w, profile), &w.scope, &t->wish,
			 &t->room, &t->c, &t->f);
	assert_int_equal(t->f.code, e);
	assert_true(e == OK || t->f.text[0]);
	return e;
}

static void is(struct span s, const char *text)
{
	if (!span_is(s, text))
		fail_msg("'%.*s' is not '%s'", (int)s.n, (const char *)s.p,
			 text);
}

/* Kinds. */

static void test_an_agent(void **state)
{
	AUTO(try_wipe) struct try t = { 0 };

	(void)state;
	try_init(&t);
	assert_int_equal(fill(&t, "web"), OK);
	is(t.c.subject.domain, "example");
	is(t.c.subject.o, "web");
	is(t.c.subject.ou, "n1.example");
	is(t.c.subject.uid, WORLD_AGENT);
	is(t.c.subject.cn, WORLD_AGENT);
	is(t.c.issuer.cn, "Cretula Issuing CA");
	assert_int_equal(t.c.dns.count, 1);
	is(t.c.dns.at[0], WORLD_AGENT ".n1.example");
	assert_int_equal(t.c.uri.count, 0);
	assert_false(t.c.ca || t.c.nocheck);
	assert_int_equal(t.c.path_len, -1);
	assert_int_equal(t.c.key_usage, KU_DIGITAL_SIGNATURE);
	assert_int_equal(t.c.ext_usage, EKU_SERVER | EKU_CLIENT);
	is(t.c.crl_url, "http://ca.example:7080/crl/3"); /* 7 % 4 */
	is(t.c.ocsp_url, "http://ca.example:7080/ocsp");
	is(t.c.issuer_url, "http://ca.example:7080/issuer.der");
	assert_int_equal(t.c.alg, SIG_ECDSA_SHA256);
	assert_true(span_equal(t.c.authority_key, span_of(w.scope.key_id, 20)));
	assert_int_equal(t.c.caps.count, 0);
}

static void test_a_spiffe_id(void **state)
{
	AUTO(try_wipe) struct try t = { 0 };

	(void)state;
	try_init(&t);
	assert_int_equal(fill(&t, "mesh"), OK);
	is(t.c.subject.cn, "");
	is(t.c.subject.uid, WORLD_AGENT);
	assert_int_equal(t.c.dns.count, 0);
	assert_int_equal(t.c.uri.count, 1);
	is(t.c.uri.at[0], "spiffe://mesh.example/mesh/" WORLD_AGENT);

	t.wish.uri = (struct cert_names){ .count = 1 };
	t.wish.uri.at[0] = span_str("spiffe://mesh.example/mesh/" WORLD_AGENT);
	assert_int_equal(fill(&t, "mesh"), OK);
	assert_int_equal(t.c.uri.count, 1);
	t.wish.uri.at[0] = span_str("spiffe://mesh.example/mesh/" WORLD_OTHER);
	assert_int_equal(fill(&t, "mesh"), ERR_DENIED);
	t.wish.uri.at[0] = span_str("spiffe://mesh.example/web/" WORLD_AGENT);
	assert_int_equal(fill(&t, "mesh"), ERR_DENIED);
	t.wish.uri.count = 0;
	t.wish.dns = (struct cert_names){ .count = 1 };
	t.wish.dns.at[0] = span_str(WORLD_AGENT ".n1.example");
	assert_int_equal(fill(&t, "mesh"), ERR_DENIED);
}

static void test_the_gate_of_the_ca(void **state)
{
	AUTO(try_wipe) struct try t = { 0 };

	(void)state;
	try_init(&t);
	assert_int_equal(fill(&t, "ca-tls"), ERR_INVALID); /* for an agent */
	t.wish.node = t.wish.agent = (struct span){ .n = 0 };
	assert_int_equal(fill(&t, "ca-tls"), ERR_INVALID); /* no name */
	t.wish.dns = (struct cert_names){ .at = { span_str("ca.example"),
						  span_str("localhost") },
					  .count = 2 };
	assert_int_equal(fill(&t, "ca-tls"), OK);
	is(t.c.subject.o, "ca-tls");
	is(t.c.subject.ou, "ca.example");
	is(t.c.subject.uid, "");
	assert_int_equal(t.c.dns.count, 2);
	assert_int_equal(t.c.ext_usage, EKU_SERVER);
	assert_int_equal(t.c.not_after, WORLD_NOW + 7 * 86400);
	t.wish.agent = span_str(WORLD_AGENT);
	assert_int_equal(fill(&t, "ca-tls"), ERR_INVALID);
	t.wish.agent.n = 0;
	t.wish.dns.at[1] = span_str("ca.other");
	assert_int_equal(fill(&t, "ca-tls"), ERR_DENIED);
	t.wish.dns.at[1] = span_str("*.example");
	assert_int_equal(fill(&t, "ca-tls"), ERR_INVALID);
	t.wish.dns.at[1] = span_str(WORLD_AGENT ".n1.example");
	assert_int_equal(fill(&t, "ca-tls"), ERR_DENIED);
}

static void test_an_ocsp_signer(void **state)
{
	AUTO(try_wipe) struct try t = { 0 };
	char cn[64];

	(void)state;
	try_init(&t);
	t.wish.node = t.wish.agent = (struct span){ .n = 0 };
	assert_int_equal(fill(&t, "ca-ocsp"), OK);
	snprintf(cn, sizeof cn, "Cretula OCSP %02x%02x%02x%02x",
		 t.c.subject_key.p[0], t.c.subject_key.p[1],
		 t.c.subject_key.p[2], t.c.subject_key.p[3]);
	is(t.c.subject.cn, cn);
	assert_true(t.c.nocheck);
	assert_int_equal(t.c.ext_usage, EKU_OCSP);
	assert_int_equal(t.c.crl_url.n + t.c.ocsp_url.n + t.c.issuer_url.n, 0);
	assert_int_equal(t.c.dns.count + t.c.uri.count, 0);
	t.wish.dns = (struct cert_names){ .count = 1 };
	t.wish.dns.at[0] = span_str("ocsp.example");
	assert_int_equal(fill(&t, "ca-ocsp"), ERR_DENIED);
}

/* Keys, capabilities. */

static void test_key_types(void **state)
{
	AUTO(try_wipe) struct try t = { 0 };

	(void)state;
	try_init(&t);
	t.wish.key = &w.key[KEY_RSA];
	assert_int_equal(fill(&t, "web"), OK);
	assert_int_equal(t.c.key_usage,
			 KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT);
	assert_int_equal(fill(&t, "strict"), ERR_DENIED);
	t.wish.key = &w.key[KEY_P384];
	assert_int_equal(fill(&t, "strict"), ERR_DENIED);
	t.wish.key = &w.key[KEY_ED25519];
	assert_int_equal(fill(&t, "strict"), OK);
	assert_int_equal(t.c.key_usage, KU_DIGITAL_SIGNATURE);
}

static void test_no_certificate_for_the_key_of_the_ca(void **state)
{
	AUTO(try_wipe) struct try t = { 0 };

	(void)state;
	try_init(&t);
	t.wish.key = &w.ca_key;
	assert_int_equal(fill(&t, "web"), ERR_DENIED);
}

static void test_capabilities_are_sorted_and_once(void **state)
{
	AUTO(profile_wipe) struct profile p = { 0 };
	AUTO(try_wipe) struct try t = { 0 };

	(void)state;
	assert_int_equal(profile_line("profile=a capability=sign:z@{node},"
				      "sign:b@n1.example,admin:x@*,"
				      "sign:b@{node}",
				      &p, NULL),
			 OK);
	try_init(&t);
	assert_int_equal(
		profile_fill(&p, &w.scope, &t.wish, &t.room, &t.c, &t.f), OK);
	assert_int_equal(t.c.caps.count, 3);
	is(t.c.caps.at[0], "admin:x@*");
	is(t.c.caps.at[1], "sign:b@n1.example");
	is(t.c.caps.at[2], "sign:z@n1.example");
}

static void test_serials_of_others(void **state)
{
	static const uint8_t tail[SERIAL_TAIL];
	AUTO(try_wipe) struct try t = { 0 };

	(void)state;
	try_init(&t);
	serial_make(4, 7, tail, &t.serial);
	assert_int_equal(fill(&t, "web"), ERR_INVALID);
}

/* Nodes and agents. */

static void test_nodes(void **state)
{
	static const struct {
		const char *node;
		enum err want;
	} cases[] = {
		{ "n1.example", OK },
		{ "a.b.c.example", OK },
		{ "xn--bcher-kva.example", OK },
		{ "localhost", OK },
		{ "x.localhost", OK },
		{ "n1.other", ERR_DENIED },
		{ "notexample", ERR_DENIED },
		{ "n1.example.other", ERR_DENIED },
		{ "", ERR_INVALID },
		{ "n1.example.", ERR_INVALID },
		{ ".n1.example", ERR_INVALID },
		{ "n1..example", ERR_INVALID },
		{ "N1.example", ERR_INVALID },
		{ "n_1.example", ERR_INVALID },
		{ "-n.example", ERR_INVALID },
		{ "n-.example", ERR_INVALID },
		{ "*.example", ERR_INVALID },
		{ "n\xc3\xb6.example", ERR_INVALID },
		/* 64 bytes, and 65 */
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		  ".example",
		  OK },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		  ".example",
		  ERR_INVALID },
	};
	AUTO(try_wipe) struct try t = { 0 };

	(void)state;
	try_init(&t);
	for (size_t i = 0; i < NELEM(cases); i++) {
		t.wish.node = span_str(cases[i].node);
		if (fill(&t, "web") != cases[i].want)
			fail_msg("node '%s'", cases[i].node);
		if (cases[i].want == OK)
			assert_memory_equal(t.c.dns.at[0].p, WORLD_AGENT ".",
					    AGENT_ID_LEN + 1);
	}
	t.wish.node = span_of("n1\0x.example", 12);
	assert_int_equal(fill(&t, "web"), ERR_INVALID);
}

static void test_agent_ids(void **state)
{
	static const char *const bad[] = {
		"",
		"019b8f3a-0000-7abc-8def-0123456789a",
		"019b8f3a-0000-7abc-8def-0123456789abc",
		"019B8f3a-0000-7abc-8def-0123456789ab",
		"019b8f3a-0000-4abc-8def-0123456789ab",
		"019b8f3a-0000-7abc-cdef-0123456789ab",
		"019b8f3a00000-7abc-8def-0123456789ab",
		"019b8f3g-0000-7abc-8def-0123456789ab",
	};
	AUTO(try_wipe) struct try t = { 0 };

	(void)state;
	try_init(&t);
	for (size_t i = 0; i < NELEM(bad); i++) {
		t.wish.agent = span_str(bad[i]);
		assert_int_equal(fill(&t, "web"), ERR_INVALID);
	}
}

static void test_made_agent_ids(void **state)
{
	char a[AGENT_ID_LEN + 1], b[AGENT_ID_LEN + 1];

	(void)state;
	agent_id_make(0x0123456789abull, a);
	agent_id_make(0x0123456789abull, b);
	assert_int_equal(agent_id_check(span_str(a), NULL), OK);
	assert_memory_equal(a, "01234567-89ab-7", 15);
	assert_string_not_equal(a, b);
}

/* Names that are asked for. */

static enum err ask(const char *profile, const char *dns, const char *uri)
{
	AUTO(try_wipe) struct try t = { 0 };

	try_init(&t);
	if (dns)
		t.wish.dns = (struct cert_names){ .at = { span_str(dns) },
						  .count = 1 };
	if (uri)
		t.wish.uri = (struct cert_names){ .at = { span_str(uri) },
						  .count = 1 };
	return fill(&t, profile);
}

static void test_dns_names(void **state)
{
	static const struct {
		const char *profile, *name;
		enum err want;
	} cases[] = {
		{ "web", "n1.example", OK },
		{ "web", WORLD_AGENT ".n1.example", OK },
		{ "web", "a.n1.example", ERR_DENIED },
		{ "web", "n2.example", ERR_DENIED },
		{ "web", "*.n1.example", ERR_DENIED },
		{ "wild", "a.n1.example", OK },
		{ "wild", "a.b.n1.example", OK },
		{ "wild", "*.n1.example", OK },
		{ "wild", "*.a.n1.example", OK },
		{ "wild", "n1.example", ERR_DENIED },
		{ "wild", "a.n2.example", ERR_DENIED },
		{ "wild", "*.example", ERR_DENIED },
		{ "wild", "*", ERR_INVALID },
		{ "wild", "*.", ERR_INVALID },
		{ "wild", "a*.n1.example", ERR_INVALID },
		{ "wild", "a.*.n1.example", ERR_INVALID },
		{ "wild", "*.*.n1.example", ERR_INVALID },
		{ "wild", "**.n1.example", ERR_INVALID },
		{ "wild", ".n1.example", ERR_INVALID },
		{ "wild", "a..n1.example", ERR_INVALID },
		{ "wild", "a.n1.example.", ERR_INVALID },
		{ "wild", "A.n1.example", ERR_INVALID },
		{ "wild", "a b.n1.example", ERR_INVALID },
		{ "wild", "a_b.n1.example", ERR_INVALID },
		{ "wild", "", ERR_INVALID },
		{ "wild", WORLD_OTHER ".n1.example", ERR_DENIED },
		{ "wild", "x." WORLD_OTHER ".n1.example", ERR_DENIED },
		{ "wild", "x." WORLD_AGENT ".n1.example", OK },
		{ "strict", "n1.example", ERR_DENIED },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++)
		if (ask(cases[i].profile, cases[i].name, NULL) != cases[i].want)
			fail_msg("%s: '%s'", cases[i].profile, cases[i].name);
}

/* A pattern that allows every name allows none outside the CA's domains. */
static void test_no_pattern_leads_out_of_the_domains(void **state)
{
	static const char *const names[] = { "a.other",     "other",
					     "example.com", "xexample",
					     "*.other",     "*.com" };
	AUTO(profile_wipe) struct profile p = { 0 };
	AUTO(try_wipe) struct try t = { 0 };

	(void)state;
	assert_int_equal(profile_line("profile=a dns=* wildcard=yes", &p, NULL),
			 OK);
	try_init(&t);
	t.wish.dns.count = 1;
	for (size_t i = 0; i < NELEM(names); i++) {
		t.wish.dns.at[0] = span_str(names[i]);
		assert_int_equal(profile_fill(&p, &w.scope, &t.wish, &t.room,
					      &t.c, &t.f),
				 ERR_DENIED);
	}
	t.wish.dns.at[0] = span_str("a.example");
	assert_int_equal(
		profile_fill(&p, &w.scope, &t.wish, &t.room, &t.c, &t.f), OK);
}

static void test_names_are_there_once(void **state)
{
	AUTO(try_wipe) struct try t = { 0 };

	(void)state;
	try_init(&t);
	t.wish.dns = (struct cert_names){ .at = { span_str("n1.example"),
						  span_str(WORLD_AGENT
							   ".n1.example"),
						  span_str("n1.example") },
					  .count = 3 };
	assert_int_equal(fill(&t, "web"), OK);
	assert_int_equal(t.c.dns.count, 2);
	is(t.c.dns.at[0], WORLD_AGENT ".n1.example");
	is(t.c.dns.at[1], "n1.example");
}

static void test_too_many_names(void **state)
{
	static char name[CERT_NAMES_MAX][24];
	AUTO(try_wipe) struct try t = { 0 };

	(void)state;
	try_init(&t);
	for (unsigned i = 0; i < CERT_NAMES_MAX; i++) {
		snprintf(name[i], sizeof name[i], "h%u.n1.example", i);
		t.wish.dns.at[i] = span_str(name[i]);
	}
	t.wish.dns.count = CERT_NAMES_MAX - 1;
	assert_int_equal(fill(&t, "wild"), OK);
	t.wish.dns.count = CERT_NAMES_MAX;
	assert_int_equal(fill(&t, "wild"), ERR_INVALID);
}

#define OWN WORLD_AGENT ".n1.example"

static void test_uris(void **state)
{
	static const struct {
		const char *uri;
		enum err want;
	} cases[] = {
		{ "http+tcp://" OWN ":8080", OK },
		{ "h2+quic://" OWN ":1", OK },
		{ "dns+udp://" OWN ":65535", OK },
		{ "sigtran+sctp://" OWN ":2905", OK },
		{ "http+tcp://" OWN ":0", ERR_INVALID },
		{ "http+tcp://" OWN ":65536", ERR_INVALID },
		{ "http+tcp://" OWN ":080", ERR_INVALID },
		{ "http+tcp://" OWN ":", ERR_INVALID },
		{ "http+tcp://" OWN, ERR_INVALID },
		{ "http+tcp://" OWN ":80/", ERR_INVALID },
		{ "http+tcp://" OWN ":80?x", ERR_INVALID },
		{ "http+tcp://u@" OWN ":80", ERR_DENIED },
		{ "http://" OWN ":80", ERR_INVALID },
		{ "Http+tcp://" OWN ":80", ERR_INVALID },
		{ "1+tcp://" OWN ":80", ERR_INVALID },
		{ "+tcp://" OWN ":80", ERR_INVALID },
		{ "a.b+tcp://" OWN ":80", ERR_INVALID },
		{ "http+tls://" OWN ":80", ERR_INVALID },
		{ "http+tcp+tcp://" OWN ":80", ERR_INVALID },
		{ "http+tcp:/" OWN ":80", ERR_INVALID },
		{ "http+tcp://n1.example:80", ERR_DENIED },
		{ "http+tcp://" WORLD_OTHER ".n1.example:80", ERR_DENIED },
		{ "http+tcp://" WORLD_AGENT ".n2.example:80", ERR_DENIED },
		{ "http+tcp://" OWN ".:80", ERR_DENIED },
		{ "spiffe://mesh.example/web/" WORLD_AGENT, ERR_INVALID },
		{ "", ERR_INVALID },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++)
		if (ask("web", NULL, cases[i].uri) != cases[i].want)
			fail_msg("'%s'", cases[i].uri);
}

/* Every beginning of a good URI is refused, and every one with a byte more. */
static void test_uri_cut_short(void **state)
{
	static const char uri[] = "http+tcp://" OWN ":8";
	char cut[sizeof uri];

	(void)state;
	for (size_t n = 0; n + 1 < sizeof uri; n++) {
		memcpy(cut, uri, n);
		cut[n] = 0;
		assert_int_not_equal(ask("web", NULL, cut), OK);
	}
	assert_int_equal(ask("web", NULL, uri), OK);
}

/* Lives. */

static void test_lives(void **state)
{
	AUTO(try_wipe) struct try t = { 0 };

	(void)state;
	try_init(&t);
	assert_int_equal(fill(&t, "web"), OK);
	assert_int_equal(t.c.not_before, WORLD_NOW - 60);
	assert_int_equal(t.c.not_after, WORLD_NOW + 86400);
	t.wish.life = 3 * 86400;
	assert_int_equal(fill(&t, "web"), OK);
	assert_int_equal(t.c.not_after, WORLD_NOW + 3 * 86400);
	t.wish.life++;
	assert_int_equal(fill(&t, "web"), ERR_DENIED);
	t.wish.life = UINT64_MAX;
	assert_int_equal(fill(&t, "web"), ERR_DENIED);
	t.wish.life = 59;
	assert_int_equal(fill(&t, "web"), ERR_INVALID);
	t.wish.life = 60;
	t.wish.delay = 30;
	assert_int_equal(fill(&t, "web"), OK);
	assert_int_equal(t.c.not_before, WORLD_NOW + 30);
	assert_int_equal(t.c.not_after, WORLD_NOW + 90);
	t.wish.delay = INT64_MAX;
	assert_int_equal(fill(&t, "web"), ERR_INVALID);
	t.wish.delay = PROFILE_DELAY_MAX + 1;
	assert_int_equal(fill(&t, "web"), ERR_INVALID);
}

static void test_never_beyond_the_issuing_ca(void **state)
{
	AUTO(try_wipe) struct try t = { 0 };

	(void)state;
	try_init(&t);
	t.wish.now = w.scope.not_after - 3600;
	assert_int_equal(fill(&t, "web"), OK);
	assert_int_equal(t.c.not_after, w.scope.not_after);
	t.wish.now = w.scope.not_after - 59;
	assert_int_equal(fill(&t, "web"), ERR_EXPIRED);
	t.wish.now = w.scope.not_after + 59;
	assert_int_equal(fill(&t, "web"), ERR_EXPIRED);
	t.wish.now = w.scope.not_before + 5;
	assert_int_equal(fill(&t, "web"), OK);
	assert_int_equal(t.c.not_before, w.scope.not_before);
}

/* CSRs. */

static enum err csr(const char *profile, const struct csr *c)
{
	AUTO(try_wipe) struct try t = { 0 };
	enum err e;

	try_init(&t);
	e = profile_csr_check(world_profile(&w, profile), &w.scope, &t.wish, c,
			      &t.f);
	assert_true(e == OK || t.f.text[0]);
	return e;
}

static void test_what_a_csr_may_ask_for(void **state)
{
	struct csr c = { .wants_ca = true };

	(void)state;
	assert_int_equal(csr("web", &c), ERR_DENIED);
	c = (struct csr){ .wants_caps = true };
	assert_int_equal(csr("web", &c), ERR_DENIED);
	c = (struct csr){ .other_names = true };
	assert_int_equal(csr("web", &c), ERR_DENIED);
	c = (struct csr){ .other_names = false };
	assert_int_equal(csr("web", &c), OK);
}

static void test_cn_of_a_csr(void **state)
{
	static const struct {
		const char *cn;
		enum err want;
	} cases[] = {
		{ "", OK },
		{ "web", OK },
		{ "Web-1", OK },
		{ WORLD_OTHER, OK },
		{ "n1.example", OK },
		{ WORLD_AGENT ".n1.example", OK },
		{ "n2.example", ERR_DENIED },
		{ "www.bank.com", ERR_DENIED },
		{ "*.n1.example", ERR_DENIED },
		{ "*", ERR_INVALID },
		{ "John Doe", ERR_INVALID },
		{ "web\xc3\xb6", ERR_INVALID },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++) {
		struct csr c = { .cn = { .at = { span_str(cases[i].cn) },
					 .count = 1 } };

		if (csr("web", &c) != cases[i].want)
			fail_msg("'%s'", cases[i].cn);
	}
	struct csr nul = { .cn = { .at = { span_of("a\0b", 3) }, .count = 1 } };
	assert_int_equal(csr("web", &nul), ERR_INVALID);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_agent),
		cmocka_unit_test(test_a_spiffe_id),
		cmocka_unit_test(test_the_gate_of_the_ca),
		cmocka_unit_test(test_an_ocsp_signer),
		cmocka_unit_test(test_key_types),
		cmocka_unit_test(test_no_certificate_for_the_key_of_the_ca),
		cmocka_unit_test(test_capabilities_are_sorted_and_once),
		cmocka_unit_test(test_serials_of_others),
		cmocka_unit_test(test_nodes),
		cmocka_unit_test(test_agent_ids),
		cmocka_unit_test(test_made_agent_ids),
		cmocka_unit_test(test_dns_names),
		cmocka_unit_test(test_no_pattern_leads_out_of_the_domains),
		cmocka_unit_test(test_names_are_there_once),
		cmocka_unit_test(test_too_many_names),
		cmocka_unit_test(test_uris),
		cmocka_unit_test(test_uri_cut_short),
		cmocka_unit_test(test_lives),
		cmocka_unit_test(test_never_beyond_the_issuing_ca),
		cmocka_unit_test(test_what_a_csr_may_ask_for),
		cmocka_unit_test(test_cn_of_a_csr),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
