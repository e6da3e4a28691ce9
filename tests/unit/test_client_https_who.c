/* Who is who when libcretula speaks HTTPS: the server's certificate, our own, where it is
 * from, and one that takes its place. */
#include "tests/unit/tls_world.h"

static enum cretula_err try(const char *identity, const char *ca,
			    struct cretula_error *err)
{
	struct cretula_tls tls = { .identity = path_of(identity),
				   .ca = path_of(ca) };
	struct cretula *c = NULL;
	enum cretula_err e = cretula_open_tls(g.url, &tls, &c, err);

	if (!e)
		e = call(c, "status", err);
	cretula_close(c);
	return e;
}

static void a_server_of_another_root_is_refused(void **state)
{
	struct cretula_error err;

	(void)state;
	serving(replies);
	assert_int_equal(try("client.pem", "other.pem", &err),
			 CRETULA_ERR_UNAUTHENTICATED);
	assert_int_equal(err.reached, 1);
	assert_non_null(strstr(err.text, "does not end in the root '"));
	assert_non_null(strstr(err.text, "other.pem"));
}

static void a_server_of_another_name_is_refused(void **state)
{
	struct cretula_error err;

	(void)state;
	server_named("DNS:n1.example,DNS:n2.example", g.root, g.root_key, 3600);
	serving(replies);
	assert_int_equal(try("client.pem", "root.pem", &err),
			 CRETULA_ERR_UNAUTHENTICATED);
	assert_non_null(strstr(err.text, "is not 'localhost': its certificate "
					 "is for 'n1.example', 'n2.example'"));
}

static void a_server_whose_certificate_has_ended_is_refused(void **state)
{
	struct cretula_error err;

	(void)state;
	server_named("DNS:localhost", g.root, g.root_key, -60);
	serving(replies);
	assert_int_equal(try("client.pem", "root.pem", &err),
			 CRETULA_ERR_UNAUTHENTICATED);
	assert_non_null(strstr(err.text, "are the clocks right?"));
}

/* Every agent's certificate has names; not every agent is a server. */
static void a_server_that_may_only_be_a_client_is_refused(void **state)
{
	struct cretula_error err;

	(void)state;
	server_named("DNS:localhost", g.root, g.root_key, 3600);
	extend(g.server, g.root, NID_ext_key_usage, "clientAuth");
	ENSURE(X509_sign(g.server, g.root_key, EVP_sha256()) > 0);
	serving(replies);
	assert_int_equal(try("client.pem", "root.pem", &err),
			 CRETULA_ERR_UNAUTHENTICATED);
	assert_non_null(strstr(err.text, "is refused: "));
}

static void our_refused_certificate(int version)
{
	struct cretula_error err;

	g.believes = g.other;
	g.only = version;
	serving(replies);
	assert_int_equal(try("client.pem", "root.pem", &err),
			 CRETULA_ERR_UNAUTHENTICATED);
	assert_int_equal(err.reached, 1);
	assert_non_null(strstr(err.text, "refuses our certificate ('"));
	assert_non_null(strstr(err.text, "client.pem'): unknown CA"));
}

static void ours_refused_by_tls_1_2_is_told(void **state)
{
	(void)state;
	our_refused_certificate(TLS1_2_VERSION);
}

static void ours_refused_by_tls_1_3_is_told(void **state)
{
	(void)state;
	our_refused_certificate(TLS1_3_VERSION);
}

static void tls_1_1_is_not_spoken(void **state)
{
	struct cretula_error err;

	(void)state;
	g.only = TLS1_1_VERSION;
	serving(replies);
	assert_int_equal(try("client.pem", "root.pem", &err),
			 CRETULA_ERR_UNAVAILABLE);
	assert_int_equal(err.reached, 0);
}

static void identities_that_are_none_are_told(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	struct cretula_error err;

	(void)state;
	assert_int_equal(try("nowhere.pem", "root.pem", &err),
			 CRETULA_ERR_INVALID);
	assert_non_null(strstr(err.text, "No such file"));
	assert_int_equal(try("root.pem", "root.pem", &err),
			 CRETULA_ERR_INVALID);
	assert_non_null(strstr(err.text, "no private key"));
	write_pem("more.pem", key, g.root, NULL);
	assert_int_equal(try("more.pem", "root.pem", &err),
			 CRETULA_ERR_INVALID);
	assert_non_null(strstr(err.text, "no certificate of its private key"));
	write_pem("more.pem", key, NULL, NULL);
	assert_int_equal(try("client.pem", "more.pem", &err),
			 CRETULA_ERR_INVALID);
	assert_non_null(strstr(err.text, "holds no certificate"));
	EVP_PKEY_free(key);
}

static void presets_come_from_the_environment(void **state)
{
	struct cretula_error err;
	struct cretula *c = NULL;

	(void)state;
	assert_int_equal(cretula_open(g.url, &c, &err),
			 CRETULA_ERR_UNAUTHENTICATED);
	assert_non_null(strstr(err.text, "there is no certificate to show"));
	serving(replies);
	setenv("CRETULA_IDENTITY", path_of("client.pem"), 1);
	/* its own chain says whom to believe */
	if (cretula_open(g.url, &c, &err) || call(c, "status", &err))
		fail_msg("%s", err.text);
	cretula_close(c);
	setenv("CRETULA_CA_ROOT", path_of("other.pem"), 1);
	assert_int_equal(cretula_open(g.url, &c, &err),
			 CRETULA_ERR_UNAUTHENTICATED);
	unsetenv("CRETULA_IDENTITY");
	unsetenv("CRETULA_CA_ROOT");
}

/* Who is called `old` is refused. */
static void no_old_one(struct peer *p)
{
	while (next_request(p, request))
		if (strcmp(p->cn, "old") != 0)
			answer(p, REPLY);
		else
			problem(p, 403,
				"{\"type\":\"urn:cretula:error:denied\","
				"\"detail\":\"the certificate has expired\"}");
}

static void a_renewed_identity_is_shown_when_the_old_one_is_refused(
	void **state)
{
	struct cretula_tls tls = { .identity = path_of("more.pem"),
				   .ca = path_of("root.pem") };
	struct cretula *c = NULL;
	struct cretula_error err;

	(void)state;
	write_client("more.pem", "old", g.root, g.root_key);
	serving(no_old_one);
	if (cretula_open_tls(g.url, &tls, &c, &err))
		fail_msg("%s", err.text);
	/* there is no other yet */
	assert_int_equal(call(c, "seal", &err), CRETULA_ERR_DENIED);
	assert_string_equal(err.text, "the certificate has expired");
	cretula_close(c);
	if (cretula_open_tls(g.url, &tls, &c, &err))
		fail_msg("%s", err.text);
	write_client("more.pem", "new", g.root, g.root_key);
	if (call(c, "seal",
		 &err)) /* not served, so made again, whatever it is */
		fail_msg("%s", err.text);
	assert_int_equal(g.conns, 3);
	cretula_close(c);
}

static void a_renewed_identity_is_shown_after_an_alert(void **state)
{
	struct cretula_tls tls = { .identity = path_of("more.pem"),
				   .ca = path_of("root.pem") };
	struct cretula *c = NULL;
	struct cretula_error err;

	(void)state;
	write_client("more.pem", "client", g.root, g.root_key);
	g.believes = g.other;
	g.only = TLS1_3_VERSION;
	serving(replies);
	if (cretula_open_tls(g.url, &tls, &c, &err))
		fail_msg("%s", err.text);
	write_client("more.pem", "client", g.other, g.other_key);
	if (call(c, "seal", &err))
		fail_msg("%s", err.text);
	cretula_close(c);
}

static void nobody_there_is_not_reached(void **state)
{
	struct cretula_error err;

	(void)state;
	close(g.listener);
	g.listener = -1;
	assert_int_equal(try("client.pem", "root.pem", &err),
			 CRETULA_ERR_UNAVAILABLE);
	assert_int_equal(err.reached, 0);
	assert_non_null(strstr(err.text, "nobody listens there"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_GATE(a_server_of_another_root_is_refused),
		WITH_GATE(a_server_of_another_name_is_refused),
		WITH_GATE(a_server_whose_certificate_has_ended_is_refused),
		WITH_GATE(a_server_that_may_only_be_a_client_is_refused),
		WITH_GATE(ours_refused_by_tls_1_2_is_told),
		WITH_GATE(ours_refused_by_tls_1_3_is_told),
		WITH_GATE(tls_1_1_is_not_spoken),
		WITH_GATE(identities_that_are_none_are_told),
		WITH_GATE(presets_come_from_the_environment),
		WITH_GATE(
			a_renewed_identity_is_shown_when_the_old_one_is_refused),
		WITH_GATE(a_renewed_identity_is_shown_after_an_alert),
		WITH_GATE(nobody_there_is_not_reached),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
