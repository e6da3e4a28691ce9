/* certmgr's net in a process of its own, confined, against a CA that is the test.
 * test: not under valgrind: it knows no seccomp and no Landlock */
#include "tests/unit/net_world.h"

/* An agent's request and its parsed form, by the leaf's key of the world. */
static void agent_csr(struct buf *der)
{
	struct cert_names none = { .count = 0 };

	buf_init(der, CSR_MAX);
	assert_int_equal(csr_build(ca.w.leaf.key, NULL, &none, der), OK);
}

static void ask_issue(struct net *n, uint64_t id, const char *more)
{
	AUTO(buf_wipe) struct buf csr = { 0 };
	AUTO(attrs_wipe) struct attrs a = { 0 };
	struct fault f = { .text = "sending" };

	agent_csr(&csr);
	attrs_init(&a);
	list_of(&a, "type=web agent=" WORLD_AGENT " lifetime=3600");
	list_of(&a, more);
	assert_int_equal(attrs_add(&a, "csr", 0, csr.p, csr.len), OK);
	fault_ok(chan_put1(n->keeper, KN_ISSUE, id, attrs_view(&a)), &f);
}

static void ask_revoke(struct net *n, uint64_t id)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	struct fault f = { .text = "sending" };

	attrs_init(&a);
	list_of(&a, "serial=03000000004da50102030405060708090a0b "
		    "reason=superseded");
	fault_ok(chan_put1(n->keeper, KN_REVOKE, id, attrs_view(&a)), &f);
}

static void agent_cert(struct buf *out)
{
	struct cert c = world_leaf(&ca.w, &ca.w.leaf);

	world_sign(&c, &ca.w.issuing, out);
}

static void assert_issued(struct net *n, uint64_t id, const struct buf *cert)
{
	struct msg m = net_get(n);
	struct attr a;

	if (m.kind == KN_FAILED)
		net_has(&m, "text", "(issued)");
	assert_int_equal(m.kind, KN_ISSUED);
	assert_int_equal(m.id, id);
	assert_int_equal(attr_only(m.attrs, "certificate", &a), OK);
	assert_int_equal(a.len, cert->len);
	assert_memory_equal(a.value, cert->p, a.len);
	assert_int_equal(attr_only(m.attrs, "verify_by", &a), OK);
	assert_true(attr_is(&a, "1893456000"));
}

/* The next request on the connection. */
static void answer_issue(struct net *n, struct conn *c, uint64_t id)
{
	AUTO(buf_wipe) struct buf cert = { 0 };

	agent_cert(&cert);
	(void)conn_get(c, "POST /v1/certificates HTTP/1.1\r\n");
	say_cert(c, &cert);
	assert_issued(n, id, &cert);
}

static void assert_issues(struct net *n, struct conn *c, uint64_t id)
{
	ask_issue(n, id, "");
	answer_issue(n, c, id);
}

static void assert_no(struct net *n, uint64_t id, bool final, const char *words)
{
	struct msg m = net_get(n);
	struct attr a;

	while (m.kind == KN_STATE)
		m = net_get(n);
	assert_int_equal(m.kind, KN_FAILED);
	assert_int_equal(m.id, id);
	net_has(&m, "text", words);
	if (attr_find(m.attrs, "final", &a) != final)
		net_has(&m, "text", final ? "(final)" : "(not final)");
}

/* ---- enrolment */

static void test_a_node_enrols_and_keeps_its_certificate(void **state)
{
	AUTO(buf_wipe) struct buf csr = { 0 };
	AUTO(buf_wipe) struct buf cert = { 0 };
	struct attr a;
	struct stat st;
	char path[128];
	struct conn c;
	struct msg m;
	struct net n;

	(void)state;
	net_clean("state");
	net_new_token();
	net_start(&n);
	(void)net_state(&n, "none", "being enrolled");
	enrol_asked(&n, &c, &csr);
	assert_signed((const char *)c.in.p + c.body, &csr);
	node_cert(&csr, WORLD_NODE, -60, WORLD_DAY, &cert);
	say_cert(&c, &cert);
	m = net_state(&n, "ready", NULL);
	net_has(&m, "node", WORLD_NODE);
	net_has(&m, "serial", "03000000004da50102030405060708090a0b");
	assert_int_equal(attr_only(m.attrs, "root", &a), OK);
	assert_memory_equal(a.value, ca.root.p, ca.root.len);
	assert_int_equal(attr_only(m.attrs, "issuing", &a), OK);
	assert_memory_equal(a.value, ca.issuing.p, ca.issuing.len);
	conn_end(&c);
	net_stop(&n);
	(void)snprintf(path, sizeof path, "%s/state/node", ca.dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	(void)snprintf(path, sizeof path, "%s/state/enrol", ca.dir);
	assert_int_equal(access(path, F_OK), -1);
	/* the next time it shows that certificate */
	net_start(&n);
	(void)net_state(&n, "away", "not been asked yet");
	conn_open(&n, &c);
	assert_string_equal(conn_peer(&c), WORLD_NODE);
	(void)conn_get(&c, "GET /v1/certificates/"
			   "03000000004da50102030405060708090a0b HTTP");
	conn_say(&c, "200 OK", "{}");
	(void)net_state(&n, "ready", NULL);
	conn_end(&c);
	net_stop(&n);
}

/* Between asking and keeping: the CA knows the request again. */
static void test_who_dies_while_enrolling_asks_the_same_again(void **state)
{
	AUTO(buf_wipe) struct buf first = { 0 };
	AUTO(buf_wipe) struct buf second = { 0 };
	struct conn c;
	struct net n;
	int status;

	(void)state;
	net_clean("state");
	net_new_token();
	net_start(&n);
	(void)net_state(&n, "none", NULL);
	enrol_asked(&n, &c, &first);
	(void)kill(n.pid, SIGKILL);
	assert_int_equal(waitpid(n.pid, &status, 0), n.pid);
	conn_end(&c);
	close(n.sup);
	close(n.keeper);
	close(n.dialer);
	buf_wipe(&n.in);
	buf_wipe(&n.dial);
	net_start(&n);
	(void)net_state(&n, "none", NULL);
	enrol_asked(&n, &c, &second);
	assert_int_equal(first.len, second.len);
	assert_memory_equal(first.p, second.p, first.len);
	conn_end(&c);
	net_stop(&n);
}

/* Another token, as the supervisor hands it over after SIGHUP. */
static void give_token(struct net *n)
{
	AUTO(fd_close) int fd = -1;
	struct attrs a;

	net_new_token();
	fd = net_open("token", O_RDONLY);
	attrs_init(&a);
	list_of(&a, "given=token");
	fd_send(n->sup, SUP_GIVEN, 0, attrs_view(&a), fd);
	attrs_wipe(&a);
}

static void test_a_token_that_is_refused_is_said_once(void **state)
{
	AUTO(buf_wipe) struct buf csr = { 0 };
	struct conn c;
	struct net n;

	(void)state;
	net_clean("state");
	net_start(&n);
	(void)net_state(&n, "none", "being enrolled");
	enrol_asked(&n, &c, &csr);
	conn_say(&c, "403 Forbidden",
		 "{\"type\":\"urn:cretula:error:denied\",\"status\":403,"
		 "\"detail\":\"the token is not valid\"}");
	(void)net_state(&n, "none",
			"the token is not valid: make a new one "
			"with 'cretula ca token --type node --node " WORLD_NODE
			"'");
	conn_end(&c);
	/* nothing further, until there is another token */
	give_token(&n);
	enrol_life(&n, -60, WORLD_DAY);
	(void)net_state(&n, "ready", NULL);
	net_stop(&n);
}

static void test_a_certificate_of_another_node_is_not_taken(void **state)
{
	AUTO(buf_wipe) struct buf csr = { 0 };
	AUTO(buf_wipe) struct buf cert = { 0 };
	struct conn c;
	struct net n;

	(void)state;
	net_clean("state");
	net_new_token();
	net_start(&n);
	(void)net_state(&n, "none", "being enrolled");
	enrol_asked(&n, &c, &csr);
	node_cert(&csr, "n2." WORLD_DOMAIN, -60, WORLD_DAY, &cert);
	say_cert(&c, &cert);
	(void)net_state(&n, "none", "is for node 'n2." WORLD_DOMAIN "'");
	conn_end(&c);
	net_stop(&n);
}

/* ---- whom it believes */

static void assert_refuses(const struct buf *cert, const char *words)
{
	struct conn c;
	struct net n;

	net_clean("state");
	net_new_token();
	net_start(&n);
	(void)net_state(&n, "none", "being enrolled");
	assert_false(conn_try(&n, &c, cert));
	(void)net_state(&n, "none", words);
	conn_end(&c);
	/* and it comes again */
	enrol_life(&n, -60, WORLD_DAY);
	(void)net_state(&n, "ready", NULL);
	net_stop(&n);
}

static void test_only_the_ca_of_the_root_is_believed(void **state)
{
	(void)state;
	assert_refuses(&ca.bad_root, "is not the CA whose root");
	assert_refuses(&ca.bad_name, "is not the CA whose root");
}

/* ---- issuing */

static void test_certificates_are_issued_and_revoked(void **state)
{
	AUTO(buf_wipe) struct buf cert = { 0 };
	const char *body;
	struct conn c;
	struct msg m;
	struct net n;

	(void)state;
	net_ready(&n);
	agent_cert(&cert);
	ask_issue(&n, 7,
		  "name=a." WORLD_NODE " name=b." WORLD_NODE
		  " uri=https+tcp://x:1 replaces=0123 repeat=yes");
	conn_open(&n, &c);
	assert_string_equal(conn_peer(&c), WORLD_NODE);
	body = conn_get(&c, "POST /v1/certificates HTTP/1.1\r\n");
	assert_non_null(strstr(
		body, "\"type\":\"web\",\"node\":\"" WORLD_NODE
		      "\",\"agent\":\"" WORLD_AGENT
		      "\",\"names\":[\"a." WORLD_NODE "\",\"b." WORLD_NODE
		      "\"],\"endpoints\":[\"https+tcp://x:1\"]"));
	assert_non_null(strstr(body, "\"lifetime\":\"3600s\",\"replaces\":"
				     "\"0123\",\"repeat\":true}"));
	say_cert(&c, &cert);
	assert_issued(&n, 7, &cert);
	/* the connection is kept */
	for (uint64_t id = 8; id < 12; id++)
		assert_issues(&n, &c, id);
	ask_revoke(&n, 12);
	body = conn_get(&c,
			"POST /v1/certificates/"
			"03000000004da50102030405060708090a0b/revoke HTTP/1.1");
	assert_string_equal(body, "{\"reason\":\"superseded\"}\n");
	conn_say(&c, "200 OK", "{\"good_until\":\"2030-01-01T00:00:00Z\"}");
	m = net_get(&n);
	assert_int_equal(m.kind, KN_REVOKED);
	assert_int_equal(m.id, 12);
	conn_end(&c);
	net_stop(&n);
}

#define PROBLEM(name)                                                          \
	"{\"type\":\"urn:cretula:error:" name "\",\"title\":\"x\","            \
	"\"status\":400,\"detail\":\"because of " name "\"}"

static const struct {
	const char *head, *body;
	bool final;
	const char *words;
} answers[] = {
	{ "400 Bad", PROBLEM("invalid"), true, "because of invalid" },
	{ "403 No", PROBLEM("denied"), true, "because of denied" },
	{ "409 No", PROBLEM("conflict"), true, "because of conflict" },
	{ "400 Bad", "<html>", false, "status 400 and without a reason" },
	{ "404 Not", "{\"type\":\"about:blank\",\"detail\":\"x\"}", false,
	  "status 404 and without" },
	{ "500 Oh", PROBLEM("internal"), false, "because of internal" },
	{ "503 Later\r\nRetry-After: 17", PROBLEM("unavailable"), false,
	  "because of unavailable" },
	{ "504 Slow", "", false, "status 504" },
	{ "429 Slower\r\nRetry-After: 17", PROBLEM("limited"), false,
	  "because of limited" },
	{ "302 There\r\nLocation: https://other.example/", "", false,
	  "status 302" },
	{ "202 Later", PROBLEM("pending"), false, "because of pending" },
	{ "200 OK", "", false, "no JSON object" },
	{ "200 OK", "[]", false, "no JSON object" },
	{ "200 OK", "{\"certificate\":\"x\"}", false, "no certificate in PEM" },
	{ "200 OK", "{\"certificate\":1}", false, "has no 'certificate'" },
	{ "200 OK", "{}", false, "has no 'certificate'" },
};

/* Looks whether the CA is back, until it answers well. */
static void recover(struct net *n, struct conn *c)
{
	(void)conn_get(c, "GET /readyz");
	conn_say(c, "200 OK", "");
	(void)net_state(n, "ready", NULL);
}

static bool goes_away(const char *head)
{
	return head[0] == '5' || !strncmp(head, "302", 3) ||
	       !strncmp(head, "202", 3) || !strncmp(head, "404", 3) ||
	       !strncmp(head, "400 Bad\r", 8);
}

static void test_every_answer_of_a_server_ends_one_request(void **state)
{
	struct conn c;
	struct net n;

	(void)state;
	net_ready(&n);
	ask_issue(&n, 99, "");
	conn_open(&n, &c);
	for (size_t i = 0; i < NELEM(answers); i++) {
		if (i)
			ask_issue(&n, 99 + i, "");
		(void)conn_get(&c, "POST /v1/certificates HTTP/1.1\r\n");
		conn_say(&c, answers[i].head, answers[i].body);
		assert_no(&n, 99 + i, answers[i].final, answers[i].words);
		if (goes_away(answers[i].head) ||
		    !strcmp(answers[i].body, "<html>"))
			recover(&n, &c);
	}
	assert_issues(&n, &c, 200);
	conn_end(&c);
	net_stop(&n);
}

/* Each ends its connection; the next one works. */
static void assert_breaks(struct net *n, uint64_t id, const char *bytes,
			  size_t len, size_t times, const char *words)
{
	bool away = strcmp(words, "no JSON object") != 0;
	struct conn c;

	ask_issue(n, id, "");
	conn_open(n, &c);
	(void)conn_get(&c, "POST /v1/certificates HTTP/1.1\r\n");
	for (size_t i = 0; i < times; i++)
		conn_raw(&c, bytes, len);
	(void)SSL_shutdown(c.ssl);
	(void)shutdown(c.fd, SHUT_WR);
	assert_no(n, id, false, words);
	conn_end(&c);
	if (!away)
		ask_issue(n, id + 1000, "");
	conn_open(n, &c);
	if (away) {
		recover(n, &c);
		ask_issue(n, id + 1000, "");
	}
	answer_issue(n, &c, id + 1000);
	conn_end(&c);
}

static void test_hostile_bytes_end_one_request(void **state)
{
	static const char half[] = "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n"
				   "\r\n{\"certificate\":";
	static const char long_body[] =
		"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n";
	static const char lines[] =
		"HTTP/1.1 200 OK\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\n";
	static const char early[] = "HTTP/1.1 100 Continue\r\n\r\n";
	static char kilo[4096];
	struct conn c;
	struct net n;

	(void)state;
	net_ready(&n);
	memset(kilo, '{', sizeof kilo);
	assert_breaks(&n, 1, "\x16\x03garbage", 9, 1, "is not reached");
	assert_breaks(&n, 2, half, sizeof half - 1, 1, "is not reached");
	assert_breaks(&n, 3, lines, sizeof lines - 1, 1, "no JSON object");
	assert_breaks(&n, 4, early, sizeof early - 1, 4000, "is larger than");
	/* more than any answer */
	ask_issue(&n, 5, "");
	conn_open(&n, &c);
	(void)conn_get(&c, "POST /v1/certificates HTTP/1.1\r\n");
	conn_raw(&c, long_body, sizeof long_body - 1);
	for (size_t i = 0; i < 64; i++)
		conn_raw(&c, kilo, sizeof kilo);
	assert_no(&n, 5, false, "is larger than");
	conn_end(&c);
	net_stop(&n);
}

static void test_retry_after_is_passed_on(void **state)
{
	struct attr a;
	struct conn c;
	struct msg m;
	struct net n;

	(void)state;
	net_ready(&n);
	ask_revoke(&n, 5);
	conn_open(&n, &c);
	(void)conn_get(&c, "POST /v1/certificates/");
	conn_say(&c, "429 Slower\r\nRetry-After: 17", PROBLEM("limited"));
	m = net_get(&n);
	assert_int_equal(m.kind, KN_FAILED);
	assert_int_equal(attr_only(m.attrs, "retry_after", &a), OK);
	assert_true(attr_is(&a, "17"));
	net_has(&m, "error", "limited");
	conn_end(&c);
	net_stop(&n);
}

/* Of another key, or by another CA. */
static void test_a_wrong_certificate_is_no_answer(void **state)
{
	AUTO(buf_wipe) struct buf other = { 0 };
	AUTO(buf_wipe) struct buf forged = { 0 };
	struct cert c1 = world_leaf(&ca.w, &ca.w.ed);
	struct cert c2 = world_leaf(&ca.w, &ca.w.leaf);
	struct conn c;
	struct net n;

	(void)state;
	net_ready(&n);
	world_sign(&c1, &ca.w.issuing, &other);
	world_sign(&c2, &ca.other_root, &forged);
	ask_issue(&n, 1, "");
	conn_open(&n, &c);
	(void)conn_get(&c, "POST /v1/certificates ");
	say_cert(&c, &other);
	assert_no(&n, 1, false, "for another key");
	ask_issue(&n, 2, "");
	(void)conn_get(&c, "POST /v1/certificates ");
	say_cert(&c, &forged);
	assert_no(&n, 2, false, "not signed by the CA");
	assert_issues(&n, &c, 3);
	conn_end(&c);
	net_stop(&n);
}

static void test_requests_go_over_several_connections(void **state)
{
	AUTO(buf_wipe) struct buf cert = { 0 };
	struct conn c[WEB_LANES];
	struct net n;

	(void)state;
	net_ready(&n);
	agent_cert(&cert);
	for (uint64_t id = 0; id < 2 * WEB_LANES; id++)
		ask_issue(&n, id, "");
	for (size_t i = 0; i < WEB_LANES; i++)
		conn_open(&n, &c[i]);
	for (size_t round = 0; round < 2; round++)
		for (size_t i = WEB_LANES; i-- > 0;) {
			struct msg m;

			(void)conn_get(&c[i], "POST /v1/certificates ");
			say_cert(&c[i], &cert);
			m = net_get(&n);
			assert_int_equal(m.kind, KN_ISSUED);
			if (!round)
				assert_int_equal(m.id, i);
		}
	for (size_t i = 0; i < WEB_LANES; i++)
		conn_end(&c[i]);
	net_stop(&n);
}

/* A kept connection that the CA has ended costs a new one, not a request. */
static void test_a_connection_that_died_is_made_anew(void **state)
{
	struct conn c;
	struct net n;

	(void)state;
	net_ready(&n);
	for (uint64_t id = 0; id < 3; id++) {
		ask_issue(&n, id, "");
		conn_open(&n, &c);
		answer_issue(&n, &c, id);
		conn_end(&c);
	}
	net_stop(&n);
}

/* One that stops in the middle, as one that never comes. */
static void test_a_slow_answer_is_not_waited_for(void **state)
{
	struct conn c;
	struct net n;

	(void)state;
	net_ready(&n);
	ask_issue(&n, 1, "");
	conn_open(&n, &c);
	(void)conn_get(&c, "POST /v1/certificates ");
	conn_raw(&c, "HTTP/1.1 200 OK\r\n", 17);
	(void)net_state(&n, "away", "is not reached: ");
	assert_no(&n, 1, false, "is not reached: ");
	conn_end(&c);
	conn_open(&n, &c);
	recover(&n, &c);
	assert_issues(&n, &c, 2);
	conn_end(&c);
	net_stop(&n);
}

static void test_no_connection_is_no_final_answer(void **state)
{
	struct conn c;
	struct net n;

	(void)state;
	net_ready(&n);
	ask_issue(&n, 1, "");
	net_not_dialled(&n, net_dial_id(&n));
	(void)net_state(&n, "away", "is not reached: nobody there");
	assert_no(&n, 1, false, "nobody there");
	conn_open(&n, &c);
	recover(&n, &c);
	conn_end(&c);
	net_stop(&n);
}

/* ---- its certificate's life */

static void test_a_certificate_is_renewed_in_time(void **state)
{
	AUTO(buf_wipe) struct buf csr = { 0 };
	AUTO(buf_wipe) struct buf cert = { 0 };
	struct csr parsed;
	struct fault f = { 0 };
	struct conn c, later;
	struct net n;

	(void)state;
	net_clean("state");
	net_new_token();
	net_start(&n);
	(void)net_state(&n, "none", "being enrolled");
	/* three quarters of it have passed */
	enrol_life(&n, -3 * WORLD_HOUR, WORLD_HOUR);
	(void)net_state(&n, "ready", NULL);
	conn_open(&n, &c);
	assert_string_equal(conn_peer(&c), WORLD_NODE);
	csr_of(conn_get(&c, "POST /v1/certificates/renew "), &csr);
	fault_ok(csr_parse(span_of(csr.p, csr.len), &parsed, &f), &f);
	assert_int_equal(parsed.dns.count, 0);
	node_cert(&csr, WORLD_NODE, -60, WORLD_DAY, &cert);
	say_cert(&c, &cert);
	(void)net_state(&n, "ready", NULL);
	/* and from now on it shows the new one */
	ask_issue(&n, 1, "");
	conn_open(&n, &later);
	(void)conn_get(&later, "POST /v1/certificates ");
	{
		X509 *x = SSL_get1_peer_certificate(later.ssl);
		unsigned char *der = NULL;
		int len = i2d_X509(x, &der);

		assert_int_equal(len, cert.len);
		assert_memory_equal(der, cert.p, cert.len);
		OPENSSL_free(der);
		X509_free(x);
	}
	conn_end(&c);
	conn_end(&later);
	net_stop(&n);
}

/* The token it came by is not sent again: the CA would take that for a theft. */
static void test_an_ended_certificate_needs_a_new_token(void **state)
{
	struct net n;

	(void)state;
	net_clean("state");
	net_new_token();
	net_start(&n);
	(void)net_state(&n, "none", "being enrolled");
	world_now = clock_wall();
	enrol_life(&n, -WORLD_HOUR, 2);
	(void)net_state(&n, "ready", NULL);
	net_not_dialled(&n, net_dial_id(&n)); /* the renewal */
	(void)net_state(&n, "away", NULL);
	(void)net_dial_id(&n); /* tried again, and given up at its end */
	(void)net_state(&n, "none", "works only once");
	give_token(&n);
	enrol_life(&n, -60, WORLD_DAY);
	(void)net_state(&n, "ready", NULL);
	net_stop(&n);
}

/* As after a clock that was wrong for a while. */
static void test_a_certificate_that_is_good_again_is_used(void **state)
{
	struct attr_view none = { 0 };
	struct attr text;
	struct net n;

	(void)state;
	net_ready(&n);
	net_stop(&n);
	net_rename("state/node", "state/away");
	net_write("token", "x", 1);
	net_start(&n);
	do { /* it may be on it still when keeper comes */
		struct msg m = net_state(&n, "none", NULL);

		assert_int_equal(attr_only(m.attrs, "text", &text), OK);
	} while (attr_is(&text, "this node is being enrolled"));
	net_rename("state/away", "state/node");
	assert_int_equal(chan_put1(n.sup, SUP_GIVEN, 0, none), OK);
	(void)net_state(&n, "away", "not been asked yet");
	net_stop(&n);
}

static void test_a_certificate_that_the_ca_refuses_is_none(void **state)
{
	struct conn c;
	struct net n;

	(void)state;
	net_ready(&n);
	ask_issue(&n, 1, "");
	conn_open(&n, &c);
	(void)conn_get(&c, "POST /v1/certificates ");
	conn_say(&c, "401 No", PROBLEM("unauthenticated"));
	(void)net_state(&n, "none", "does not take this node's certificate");
	assert_no(&n, 1, false, "because of unauthenticated");
	/* asked whether it does again */
	(void)conn_get(&c, "GET /v1/certificates/0300");
	conn_say(&c, "200 OK", "{}");
	(void)net_state(&n, "ready", NULL);
	assert_issues(&n, &c, 2);
	conn_end(&c);
	net_stop(&n);
}

/* ---- keepers */

static void test_a_new_keeper_is_told_and_the_old_one_forgotten(void **state)
{
	AUTO(buf_wipe) struct buf cert = { 0 };
	struct conn c, d;
	struct net n;

	(void)state;
	net_ready(&n);
	agent_cert(&cert);
	ask_issue(&n, 1, "");
	conn_open(&n, &c);
	(void)conn_get(&c, "POST /v1/certificates ");
	close(n.keeper);
	n.keeper = net_meet(&n, "peer=keeper");
	(void)net_state(&n, "ready", NULL);
	say_cert(&c, &cert);
	ask_issue(&n, 2, "repeat=yes");
	conn_open(&n, &d);
	(void)conn_get(&d, "POST /v1/certificates ");
	say_cert(&d, &cert);
	assert_issued(&n, 2, &cert);
	conn_end(&c);
	conn_end(&d);
	net_stop(&n);
}

static void test_a_new_dialer_is_asked_again(void **state)
{
	struct conn c;
	struct net n;

	(void)state;
	net_ready(&n);
	ask_issue(&n, 1, "");
	(void)net_dial_id(&n);
	close(n.dialer);
	n.dialer = net_meet(&n, "peer=dialer");
	conn_open(&n, &c);
	(void)conn_get(&c, "POST /v1/certificates ");
	conn_end(&c);
	net_stop(&n);
}

static void test_too_many_requests_are_turned_away(void **state)
{
	struct net n;

	(void)state;
	net_ready(&n);
	for (uint64_t id = 0; id <= NET_IN_FLIGHT; id++)
		ask_issue(&n, id, "");
	assert_no(&n, NET_IN_FLIGHT, false, "too many requests");
	net_stop(&n);
}

/* ---- confinement */

static void test_it_is_confined(void **state)
{
	struct net n;

	(void)state;
	net_ready(&n);
	role_is_confined(n.pid);
	net_stop(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_node_enrols_and_keeps_its_certificate),
		cmocka_unit_test(
			test_who_dies_while_enrolling_asks_the_same_again),
		cmocka_unit_test(test_a_token_that_is_refused_is_said_once),
		cmocka_unit_test(
			test_a_certificate_of_another_node_is_not_taken),
		cmocka_unit_test(test_only_the_ca_of_the_root_is_believed),
		cmocka_unit_test(test_certificates_are_issued_and_revoked),
		cmocka_unit_test(
			test_every_answer_of_a_server_ends_one_request),
		cmocka_unit_test(test_hostile_bytes_end_one_request),
		cmocka_unit_test(test_retry_after_is_passed_on),
		cmocka_unit_test(test_a_wrong_certificate_is_no_answer),
		cmocka_unit_test(test_requests_go_over_several_connections),
		cmocka_unit_test(test_a_connection_that_died_is_made_anew),
		cmocka_unit_test(test_a_slow_answer_is_not_waited_for),
		cmocka_unit_test(test_no_connection_is_no_final_answer),
		cmocka_unit_test(test_a_certificate_is_renewed_in_time),
		cmocka_unit_test(test_an_ended_certificate_needs_a_new_token),
		cmocka_unit_test(test_a_certificate_that_is_good_again_is_used),
		cmocka_unit_test(
			test_a_certificate_that_the_ca_refuses_is_none),
		cmocka_unit_test(
			test_a_new_keeper_is_told_and_the_old_one_forgotten),
		cmocka_unit_test(test_a_new_dialer_is_asked_again),
		cmocka_unit_test(test_too_many_requests_are_turned_away),
		cmocka_unit_test(test_it_is_confined),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, net_begin, net_end);
}
