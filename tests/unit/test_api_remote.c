/* lib/api_remote.c, api_own.c, agent_ask.c: the gate's own certificate, and remote clients
 * whom the verifier judges. */
#include "tests/unit/api_far_world.h"

#include <errno.h>

/* It asks for that, and gets this status, and these words. */
static void answered(struct far_client *c, const char *path, const char *status,
		     const char *words)
{
	far_say(c, path);
	far_hear(c, status, words);
}

/* Its own certificate */

/* It has asked where certmgr is, which it is not told yet. */
static void begins(struct far *w)
{
	(void)far_get(w, w->sup, SUP_CERTMGR);
	far_get(w, w->sup, SUP_READY);
	w->core = far_meet(w, "peer=vault");
	w->verifier = far_meet(w, "peer=verifier");
}

static void it_is_an_agent_of_certmgrs(void **state)
{
	const gnutls_datum_t *shown;
	AUTO(buf_wipe) struct buf der = { 0 };
	struct far_client c;
	struct far w;
	unsigned n;
	size_t used;

	(void)state;
	far_start_ready(&w);
	far_open(&w, &c, false);
	shown = gnutls_certificate_get_peers(c.s, &n);
	assert_int_equal(n, 2);
	buf_init(&der, CERT_MAX);
	assert_int_equal(pem_get("CERTIFICATE", (const char *)w.bundle.p,
				 w.bundle.len, &der, &used, NULL),
			 OK);
	assert_int_equal(shown[0].size, der.len);
	assert_memory_equal(shown[0].data, der.p, der.len);
	answered(&c, "/readyz", "200", "ok");
	far_close(&c);
	far_end(&w);
}

/* The connection that is there keeps the old one, and works. */
static void a_new_one_is_for_new_handshakes(void **state)
{
	struct far_client old, fresh;
	const gnutls_datum_t *shown;
	gnutls_datum_t before;
	struct far w;
	unsigned n;
	int conn;

	(void)state;
	far_start(&w);
	far_bundle(&w, 3, 29); /* two thirds of its life are over */
	begins(&w);
	far_put_fd(w.sup, SUP_CERTMGR, "node=localhost",
		   open(w.folder, O_PATH | O_DIRECTORY | O_CLOEXEC));
	conn = far_accept(&w);
	far_spawn(&w, conn);
	far_pay(&w, conn, w.bundle.p, w.bundle.len);
	far_done(conn);
	far_get(&w, w.verifier, GV_OWN);
	far_open(&w, &old, false);
	shown = gnutls_certificate_get_peers(old.s, &n);
	before = shown[0];
	far_bundle(&w, 4, WORLD_DAY);
	far_where(&w);
	conn = far_accept(&w); /* the same agent: no spawn */
	far_pay(&w, conn, w.bundle.p, w.bundle.len);
	far_done(conn);
	far_get(&w, w.verifier, GV_OWN);
	far_open(&w, &fresh, false);
	shown = gnutls_certificate_get_peers(fresh.s, &n);
	assert_false(shown[0].size == before.size &&
		     !memcmp(shown[0].data, before.data, before.size));
	answered(&old, "/healthz", "200", "ok");
	far_close(&old);
	far_close(&fresh);
	far_end(&w);
}

/* It asks where certmgr is, and connects. */
static int comes(struct far *w)
{
	int conn;

	far_where(w);
	conn = accept(w->listener, NULL, NULL);
	assert_true(conn >= 0);
	return conn;
}

/* … and is taken. */
static int comes_in(struct far *w)
{
	far_where(w);
	return far_accept(w);
}

static void it_closes_or_speaks_otherwise(struct far *w)
{
	static const char short_hello[HELLO_SERVER] = "\0\0\0\0";
	int conn;

	close(comes(w));
	conn = comes(w);
	assert_int_equal(send(conn, short_hello, sizeof short_hello, 0),
			 sizeof short_hello);
	far_done(conn);
	/* an error in the place of the hello */
	conn = comes(w);
	far_put(conn, CLIENT_ERROR, UINT32_MAX,
		"error=limited text=\"too many connections\"");
	far_done(conn);
}

static void it_starts_no_agent(struct far *w)
{
	int conn = comes_in(w), fd[FAR_FDS];
	struct msg m = far_call(w, conn, fd);

	close(fd[0]);
	close(fd[1]);
	far_put(conn, CLIENT_ERROR, m.id, "error=denied text=\"no grant\"");
	far_done(conn);
	/* a token of another */
	conn = comes_in(w);
	m = far_call(w, conn, fd);
	assert_int_equal(send(fd[0], "ca1_nonsense", 12, 0), 12);
	close(fd[0]);
	close(fd[1]);
	far_put(conn, CLIENT_REPLY, m.id,
		"agent=" WORLD_AGENT " instance=01234567");
	far_done(conn);
}

static void it_gives_no_certificate(struct far *w)
{
	static const char *const errors[] = {
		/* the same agent asks again; then another */
		"error=pending text=\"not yet\" retry_after=1",
		"error=conflict text=\"it has ended\"",
	};
	int conn = comes_in(w), out;

	far_spawn(w, conn);
	far_pay(w, conn, w->bundle.p, w->bundle.len - 5);
	far_done(conn);
	for (size_t i = 0; i < NELEM(errors); i++) {
		struct msg m;

		conn = comes_in(w);
		m = far_claim(w, conn, &out);
		close(out);
		far_put(conn, CLIENT_ERROR, m.id, errors[i]);
		far_done(conn);
	}
}

static void certmgr_that_fails_is_asked_again(void **state)
{
	static const char *const why[] = {
		"certmgr is not there",
		"closed the connection before the hello",
		"another version",
		"too many connections",
		"no grant",
		"no token",
		"damaged",
		"not yet",
		"it has ended",
	};
	struct far_client c;
	struct far w;

	(void)state;
	far_start(&w);
	begins(&w);
	far_put(w.sup, SUP_CERTMGR, 0, ""); /* it is not there */
	it_closes_or_speaks_otherwise(&w);
	it_starts_no_agent(&w);
	it_gives_no_certificate(&w);
	for (size_t i = 0; i < NELEM(why); i++)
		far_own(&w, why[i]);
	/* before there is one, no handshake succeeds */
	assert_true(far_connect(&w, &c, false, "NORMAL") < 0);
	far_close(&c);
	far_certify(&w);
	far_open(&w, &c, false);
	far_close(&c);
	far_end(&w);
}

/* Clients */

static const char *const versions[] = { "NORMAL:-VERS-ALL:+VERS-TLS1.3",
					"NORMAL:-VERS-ALL:+VERS-TLS1.2" };

static void one_without_certificate_gets_what_is_public(void **state)
{
	struct far_client c;
	struct far w;

	(void)state;
	far_start_ready(&w);
	for (size_t i = 0; i < NELEM(versions); i++) {
		far_good(far_connect(&w, &c, false, versions[i]));
		answered(&c, "/v1/modules", "401", "connect with one");
		answered(&c, "/healthz", "200", "ok");
		answered(&c, "/openapi.json", "200", "application/json");
		answered(&c, "/metrics", "401", "TLS-Certificate");
		far_close(&c);
	}
	far_end(&w);
}

/* Who is nobody is told before his body is read. */
static void a_body_of_nobody_is_not_read(void **state)
{
	static const char head[] =
		"POST /v1/verbs/status HTTP/1.1\r\nHost: localhost\r\n"
		"Content-Type: application/json\r\n"
		"Content-Length: 1000000\r\n\r\n";
	struct far_client c;
	struct far w;

	(void)state;
	far_start_ready(&w);
	far_open(&w, &c, false);
	far_good((int)gnutls_record_send(c.s, head, sizeof head - 1));
	far_hear(&c, "401", "connect with one");
	far_close(&c);
	far_end(&w);
}

static uint64_t judged(struct far *w, uint32_t kind, const char *text)
{
	struct msg m = far_get(w, w->verifier, GV_CHAIN);
	uint64_t id = m.id;

	far_has(&m, "peer", "127.0.0.1");
	assert_int_equal(attr_count(m.attrs, "cert"), 2);
	assert_true(id & CONN_REMOTE && id <= UINT32_MAX);
	far_put(w->verifier, kind, id, text);
	return id;
}

/* The call that comes next, of that connection, is answered. */
static void core_answers(struct far *w, uint64_t conn)
{
	struct msg m = far_get(w, w->core, CLIENT_CALL);

	assert_int_equal(m.id >> 32, conn);
	far_has(&m, "verb", "modules");
	far_put(w->core, CLIENT_REPLY, m.id, "request_id=abc");
}

static void a_known_one_is_served(void **state)
{
	struct far_client c;
	struct far w;
	uint64_t id;

	(void)state;
	far_start_ready(&w);
	far_open(&w, &c, true);
	far_say(&c, "/v1/modules");
	id = judged(&w, GV_KNOWN, "");
	core_answers(&w, id);
	far_hear(&c, "200", "modules");
	/* it is asked about once */
	far_say(&c, "/v1/modules");
	core_answers(&w, id);
	far_hear(&c, "200", "modules");
	far_close(&c);
	assert_int_equal(far_get(&w, w.verifier, GV_GONE).id, id);
	assert_int_equal(far_get(&w, w.core, FC_CLOSED).id, id << 32);
	far_end(&w);
}

static void a_bad_one_is_told_why(void **state)
{
	struct far_client c, other;
	struct far w;
	uint64_t id;

	(void)state;
	far_start_ready(&w);
	far_open(&w, &c, true);
	far_say(&c, "/v1/modules");
	id = judged(&w, GV_BAD, "error=denied text=\"it was revoked\"");
	far_hear(&c, "403", "it was revoked");
	answered(&c, "/v1/modules", "403", "it was revoked");
	answered(&c, "/healthz", "200", "ok");
	/* the verifier may find out otherwise; what it says comes in order */
	far_put(w.verifier, GV_KNOWN, id, "");
	far_put(w.verifier, GV_BAD, id,
		"error=unavailable text=\"no responder\"");
	far_open(&w, &other, true);
	far_say(&other, "/v1/modules");
	core_answers(&w, judged(&w, GV_KNOWN, ""));
	far_hear(&other, "200", "modules");
	far_close(&other);
	answered(&c, "/v1/modules", "503", "Connection: close");
	far_close(&c);
	far_end(&w);
}

/* Its certificate turns out bad while the core works for it. */
static void one_that_becomes_bad_gets_no_answer(void **state)
{
	struct far_client c;
	struct far w;
	struct msg m;
	uint64_t id;

	(void)state;
	far_start_ready(&w);
	far_open(&w, &c, true);
	far_say(&c, "/v1/modules");
	id = judged(&w, GV_KNOWN, "");
	m = far_get(&w, w.core, CLIENT_CALL);
	far_put(w.verifier, GV_BAD, id, "error=denied text=\"it has expired\"");
	far_hear(&c, "403", "it has expired");
	far_put(w.core, CLIENT_REPLY, m.id, ""); /* too late: nobody's */
	answered(&c, "/v1/modules", "403", "it has expired");
	far_close(&c);
	far_end(&w);
}

static void a_new_verifier_hears_of_all(void **state)
{
	struct far_client known, bad, waits, fresh;
	uint64_t id[3];
	struct far w;
	struct msg m;

	(void)state;
	far_start_ready(&w);
	far_open(&w, &fresh, true); /* never asked for anything */
	far_open(&w, &known, true);
	far_say(&known, "/v1/modules");
	id[0] = judged(&w, GV_KNOWN, "");
	m = far_get(&w, w.core, CLIENT_CALL); /* in flight */
	far_open(&w, &bad, true);
	far_say(&bad, "/v1/modules");
	(void)judged(&w, GV_BAD, "error=denied text=\"no\"");
	far_hear(&bad, "403", "no");
	far_open(&w, &waits, true);
	far_say(&waits, "/v1/modules");
	(void)far_get(&w, w.verifier, GV_CHAIN);
	fd_close(&w.verifier);
	far_hear(&known, "503", "found out anew");
	w.verifier = far_meet(&w, "peer=verifier");
	far_get(&w, w.verifier, GV_OWN);
	for (size_t i = 0; i < 3; i++)
		id[i] = judged(&w, GV_KNOWN, "");
	assert_true(id[0] != id[1] && id[1] != id[2] && id[0] != id[2]);
	m = far_get(&w, w.core, CLIENT_CALL);
	far_put(w.core, CLIENT_REPLY, m.id, "");
	far_hear(&waits, "200", "modules");
	far_say(&bad, "/v1/modules");
	m = far_get(&w, w.core, CLIENT_CALL);
	far_put(w.core, CLIENT_REPLY, m.id, "");
	far_hear(&bad, "200", "modules");
	far_close(&known);
	far_close(&bad);
	far_close(&waits);
	far_close(&fresh);
	far_end(&w);
}

static void one_that_leaves_while_it_is_judged(void **state)
{
	struct far_client c;
	struct far w;
	uint64_t id;

	(void)state;
	far_start_ready(&w);
	far_open(&w, &c, true);
	far_say(&c, "/v1/modules");
	id = far_get(&w, w.verifier, GV_CHAIN).id;
	far_close(&c);
	far_put(w.verifier, GV_KNOWN, id, "");
	/* its end is noticed now, or with the answer of a call */
	while (far_any(&w, w.core).kind == CLIENT_CALL)
		far_put(w.core, CLIENT_REPLY, id << 32 | 1, "");
	assert_int_equal(far_get(&w, w.verifier, GV_GONE).id, id);
	far_end(&w);
}

/* A session that is taken up again would have no certificate behind it. */
static void no_session_is_resumed(void **state)
{
	struct far_client c;
	struct far w;

	(void)state;
	far_start_ready(&w);
	for (size_t i = 0; i < NELEM(versions); i++) {
		far_good(far_connect(&w, &c, false, versions[i]));
		answered(&c, "/healthz", "200", "ok");
		assert_false(gnutls_session_get_flags(c.s) &
			     GNUTLS_SFLAGS_SESSION_TICKET);
		far_close(&c);
	}
	far_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_an_agent_of_certmgrs),
		cmocka_unit_test(a_new_one_is_for_new_handshakes),
		cmocka_unit_test(certmgr_that_fails_is_asked_again),
		cmocka_unit_test(one_without_certificate_gets_what_is_public),
		cmocka_unit_test(a_body_of_nobody_is_not_read),
		cmocka_unit_test(a_known_one_is_served),
		cmocka_unit_test(a_bad_one_is_told_why),
		cmocka_unit_test(one_that_becomes_bad_gets_no_answer),
		cmocka_unit_test(a_new_verifier_hears_of_all),
		cmocka_unit_test(one_that_leaves_while_it_is_judged),
		cmocka_unit_test(no_session_is_resumed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
