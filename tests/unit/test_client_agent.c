/* libcretula's agents: name and token from the environment, claims over a socket whose
 * other end is the test's own, claims from a key of the real keyring.
 * test: not under valgrind: a forked child ends with what its parent has */
#include "tests/unit/agent_world.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define DESCRIPTION "cretula:cert:" NAME

/* ---- environment */

static void no_agent(enum cretula_err want, const char *part)
{
	struct cretula_error err = { .text = "" };
	struct cretula_agent *a = NULL;

	assert_int_equal(cretula_agent_new(&a, &err), want);
	assert_null(a);
	if (!strstr(err.text, part))
		fail_msg("'%s' does not say '%s'", err.text, part);
	assert_null(strstr(err.text, token));
}

static void test_takes_the_token_from_a_descriptor(void **state)
{
	struct cretula_agent *a = new_agent(0);

	(void)state;
	assert_string_equal(cretula_agent_name(a), NAME);
	assert_string_equal(cretula_agent_id(a), WORLD_AGENT);
	assert_null(getenv("CRETULA_TOKEN_FD"));
	assert_non_null(getenv("CRETULA_AGENT"));
	assert_string_equal(a->token.p, token);
	assert_null(cretula_agent_certificate(a, NULL));
	assert_null(cretula_agent_key(a, NULL));
	assert_string_equal(cretula_agent_serial(a), "");
	assert_int_equal(cretula_agent_renew_at(a), 0);
	assert_int_equal(cretula_agent_way(a), CRETULA_WAY_NONE);
	cretula_agent_free(a);
}

static void test_leaves_no_second_token(void **state)
{
	struct cretula_agent *a = NULL;
	char *place;

	(void)state;
	clear_env();
	setenv("CRETULA_AGENT", NAME, 1);
	setenv("CRETULA_TOKEN", token, 1);
	place = getenv("CRETULA_TOKEN");
	token_fd(token);
	assert_int_equal(cretula_agent_new(&a, NULL), 0);
	assert_null(getenv("CRETULA_TOKEN"));
	assert_null(getenv("CRETULA_TOKEN_FD"));
	assert_int_equal(place[0], 0);
	cretula_agent_free(a);
}

static void test_overwrites_the_token_in_the_environment(void **state)
{
	struct cretula_agent *a = NULL;
	char *place;

	(void)state;
	clear_env();
	setenv("CRETULA_AGENT", NAME, 1);
	setenv("CRETULA_TOKEN", token, 1);
	place = getenv("CRETULA_TOKEN");
	assert_int_equal(cretula_agent_new(&a, NULL), 0);
	assert_null(getenv("CRETULA_TOKEN"));
	for (size_t i = 0; i < AGENT_TOKEN_TEXT; i++)
		assert_int_equal(place[i], 0);
	cretula_agent_free(a);
}

static void test_no_agent(void **state)
{
	(void)state;
	clear_env();
	no_agent(CRETULA_ERR_NOT_FOUND, "CRETULA_AGENT is not set");
	setenv("CRETULA_AGENT", NAME, 1);
	no_agent(CRETULA_ERR_NOT_FOUND, "no token");
	setenv("CRETULA_AGENT", "0A1B2C3D:" WORLD_AGENT, 1);
	no_agent(CRETULA_ERR_INVALID, "damaged");
	setenv("CRETULA_AGENT", NAME "0", 1);
	no_agent(CRETULA_ERR_INVALID, "damaged");
	setenv("CRETULA_AGENT", WORLD_AGENT, 1);
	no_agent(CRETULA_ERR_INVALID, "damaged");
}

static void test_no_token(void **state)
{
	char longer[400];

	(void)state;
	clear_env();
	setenv("CRETULA_AGENT", NAME, 1);
	token_fd("");
	no_agent(CRETULA_ERR_UNAVAILABLE, "gives no token");
	token_fd("ca2_aaaa");
	no_agent(CRETULA_ERR_UNSUPPORTED, "version 2");
	memset(longer, 'a', sizeof longer - 1);
	longer[sizeof longer - 1] = 0;
	token_fd(longer);
	no_agent(CRETULA_ERR_INVALID, "too long");
	setenv("CRETULA_TOKEN_FD", "x", 1);
	no_agent(CRETULA_ERR_INVALID, "not the number");
	setenv("CRETULA_TOKEN_FD", "999", 1);
	no_agent(CRETULA_ERR_UNAVAILABLE, "cannot be read");
	setenv("CRETULA_AGENT",
	       INSTANCE ":01975c0e-0000-7000-8000-00000000000f", 1);
	token_fd(token);
	no_agent(CRETULA_ERR_INVALID, "is that of agent");
	clear_env();
}

/* ---- claims over the socket */

static void test_claims_over_the_socket(void **state)
{
	struct cretula_agent *a = new_agent(CRETULA_AGENT_SOCKET_ONLY);
	size_t key, cert, chain;
	const char *p;

	(void)state;
	daemon_begin();
	serve_cert(1, 60, WORLD_DAY);
	assert_int_equal(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), 0);
	claimed(a);
	assert_int_equal(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
	assert_true(served.token_was_right);
	assert_int_equal(cretula_agent_way(a), CRETULA_WAY_SOCKET);
	assert_string_equal(cretula_way_name(cretula_agent_way(a)), "socket");
	p = cretula_agent_key(a, &key);
	assert_memory_equal(p, served.payload.p, key);
	p = cretula_agent_certificate(a, &cert);
	assert_memory_equal(p, served.payload.p + key, cert);
	p = cretula_agent_chain(a, &chain);
	assert_memory_equal(p, served.payload.p + key + cert, chain);
	assert_int_equal(key + cert + chain, served.payload.len);
	assert_string_equal(cretula_agent_serial(a),
			    "01000000004da50102030405060708090a0b");
	cretula_agent_free(a);
}

/* Where the kernel has no certmgr, the socket is asked after it. */
static void test_goes_by_the_socket_where_the_keyring_has_nothing(void **state)
{
	struct cretula_agent *a = new_agent(CRETULA_AGENT_DUMPABLE);

	(void)state;
	daemon_begin();
	serve_cert(1, 60, WORLD_DAY);
	assert_int_equal(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), 0);
	claimed(a);
	assert_int_equal(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 1);
	assert_int_equal(cretula_agent_way(a), CRETULA_WAY_SOCKET);
	assert_non_null(strstr(cretula_agent_why(a), "kernel"));
	cretula_agent_free(a);
}

/* As containers hide the keyring: its calls fail with that errno. */
static bool hide_keyring(int no)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_request_key, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_keyctl, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)no),
	};
	struct sock_fprog all = { .len = NELEM(f), .filter = f };

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &all, 0, 0);
}

static bool claims_without_keyring(int no)
{
	struct cretula_agent *a;
	struct cretula_error err;

	if (!hide_keyring(no))
		return false;
	a = new_agent(0);
	return !cretula_agent_claim(a, &err) &&
	       cretula_agent_way(a) == CRETULA_WAY_SOCKET &&
	       strstr(cretula_agent_why(a), "seccomp") &&
	       strstr(cretula_agent_why(a), strerror(no));
}

static void test_goes_by_the_socket_where_the_keyring_is_hidden(void **state)
{
	static const int hidden[] = { EPERM, ENOSYS };
	int status;
	pid_t pid;

	(void)state;
	daemon_begin();
	serve_cert(1, 60, WORLD_DAY);
	for (size_t i = 0; i < NELEM(hidden); i++) {
		pid = fork();
		if (!pid)
			_exit(claims_without_keyring(hidden[i]) ? 0 : 1);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

static void test_a_refusal_leaves_what_there_is(void **state)
{
	struct cretula_agent *a = new_agent(CRETULA_AGENT_SOCKET_ONLY);
	struct cretula_error err;

	(void)state;
	daemon_begin();
	served.error = "denied";
	assert_int_equal(cretula_agent_claim(a, &err), CRETULA_ERR_DENIED);
	assert_null(cretula_agent_key(a, NULL));
	serve_cert(1, 60, WORLD_DAY);
	claimed(a);
	served.error = "expired";
	assert_int_equal(cretula_agent_claim(a, &err), CRETULA_ERR_EXPIRED);
	assert_non_null(cretula_agent_key(a, NULL));
	assert_int_equal(cretula_agent_serial(a)[1], '1');
	cretula_agent_free(a);
}

static void test_a_payload_that_is_damaged(void **state)
{
	struct cretula_agent *a = new_agent(CRETULA_AGENT_SOCKET_ONLY);
	struct cretula_error err;

	(void)state;
	daemon_begin();
	serve_cert(1, 60, WORLD_DAY);
	served.payload.len--;
	assert_int_equal(cretula_agent_claim(a, &err), CRETULA_ERR_INVALID);
	served.payload.len = 0;
	assert_int_equal(cretula_agent_claim(a, &err), CRETULA_ERR_INVALID);
	ENSURE(buf_grow(&served.payload, AGENT_BUNDLE_MAX + 1,
			&(uint8_t *){ NULL }) == OK);
	assert_int_equal(cretula_agent_claim(a, &err), CRETULA_ERR_TOO_LARGE);
	assert_null(cretula_agent_key(a, NULL));
	cretula_agent_free(a);
}

static void test_both_ways_closed_are_both_told(void **state)
{
	struct cretula_agent *a = new_agent(0);
	struct cretula_error err;

	(void)state;
	setenv("CRETULA_CERTMGR", "/nowhere/api.sock", 1);
	assert_int_equal(cretula_agent_claim(a, &err), CRETULA_ERR_UNAVAILABLE);
	assert_int_equal(err.reached, 0);
	assert_non_null(strstr(err.text, "kernel"));
	assert_non_null(strstr(err.text, "/nowhere/api.sock"));
	assert_int_equal(cretula_agent_claim(a, NULL), CRETULA_ERR_UNAVAILABLE);
	cretula_agent_free(a);
}

static void test_a_forked_child_has_no_right_to_it(void **state)
{
	struct cretula_agent *a = new_agent(CRETULA_AGENT_SOCKET_ONLY);
	struct cretula_error err;
	int status;
	pid_t pid;

	(void)state;
	daemon_begin();
	serve_cert(1, 60, WORLD_DAY);
	claimed(a);
	pid = fork();
	if (!pid) {
		bool right =
			cretula_agent_claim(a, &err) == CRETULA_ERR_DENIED &&
			cretula_agent_renew(a, NULL, NULL) ==
				CRETULA_ERR_DENIED &&
			cretula_agent_use(a, NULL, NULL) == CRETULA_ERR_DENIED;
		cretula_agent_free(a);
		_exit(right ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_non_null(cretula_agent_key(a, NULL));
	cretula_agent_free(a);
}

/* ---- the kernel's keyring */

static long put_key(const void *p, size_t n)
{
	return syscall(SYS_add_key, "user", DESCRIPTION, p, n,
		       KEY_SPEC_PROCESS_KEYRING);
}

/* True if there is none to test with; empties ours, in which refusals stand. */
static bool no_keyring(void)
{
	return syscall(SYS_add_key, "user", "cretula:probe", "x", 1,
		       KEY_SPEC_PROCESS_KEYRING) < 0 ||
	       syscall(SYS_keyctl, KEYCTL_CLEAR, KEY_SPEC_PROCESS_KEYRING) < 0;
}

static void test_reads_a_key_once_and_unlinks_it(void **state)
{
	struct cretula_agent *a = new_agent(CRETULA_AGENT_KEYRING_ONLY);
	struct cretula_error err;
	long key;

	(void)state;
	if (no_keyring())
		skip();
	serve_cert(1, 60, WORLD_DAY);
	key = put_key(served.payload.p, served.payload.len);
	assert_true(key > 0);
	/* as certmgr's helper leaves it: nobody may link or change it */
	assert_int_equal(syscall(SYS_keyctl, KEYCTL_SETPERM, key, 0x0b000000),
			 0);
	claimed(a);
	assert_int_equal(cretula_agent_way(a), CRETULA_WAY_KEYRING);
	assert_string_equal(cretula_agent_why(a), "");
	assert_int_equal(syscall(SYS_keyctl, KEYCTL_READ, key, NULL, 0), -1);
	assert_int_equal(syscall(SYS_request_key, "user", DESCRIPTION, NULL, 0),
			 -1);
	/* what is claimed stays, though the next claim finds nothing */
	assert_int_equal(cretula_agent_claim(a, &err), CRETULA_ERR_UNAVAILABLE);
	assert_non_null(cretula_agent_key(a, NULL));
	cretula_agent_free(a);
}

/* In a session of its own, where a revoked key is in every keyring that is searched: it
 * is found until it is unlinked from one. */
static bool finds_no_revoked_key(void)
{
	struct cretula_error err;
	struct cretula_agent *a;
	long key;

	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0)
		return false;
	key = put_key("x", 1);
	if (key < 0 ||
	    syscall(SYS_keyctl, KEYCTL_LINK, key, KEY_SPEC_SESSION_KEYRING) ||
	    syscall(SYS_keyctl, KEYCTL_REVOKE, key) ||
	    syscall(SYS_request_key, "user", DESCRIPTION, "x",
		    KEY_SPEC_PROCESS_KEYRING) >= 0 ||
	    errno != EKEYREVOKED)
		return false;
	a = new_agent(CRETULA_AGENT_KEYRING_ONLY);
	return cretula_agent_claim(a, &err) == CRETULA_ERR_UNAVAILABLE &&
	       strstr(err.text, "has no key");
}

static void test_a_revoked_key_is_not_found_forever(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	if (no_keyring())
		skip();
	pid = fork();
	if (!pid)
		_exit(finds_no_revoked_key() ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_a_key_that_others_put_there(void **state)
{
	struct cretula_agent *a = new_agent(CRETULA_AGENT_KEYRING_ONLY);
	struct cretula_error err;

	(void)state;
	if (no_keyring())
		skip();
	assert_true(put_key("not a certificate", 17) > 0);
	assert_int_equal(cretula_agent_claim(a, &err), CRETULA_ERR_INVALID);
	assert_null(cretula_agent_key(a, NULL));
	cretula_agent_free(a);
}

static void test_every_errno_has_its_sentence(void **state)
{
	static const struct {
		int no;
		enum cretula_err code;
		const char *part;
		bool elsewhere;
	} t[] = {
		{ ENOKEY, CRETULA_ERR_UNAVAILABLE, INSTANCE, true },
		{ EPERM, CRETULA_ERR_UNAVAILABLE, "seccomp", true },
		{ ENOSYS, CRETULA_ERR_UNAVAILABLE, "seccomp", true },
		{ EKEYEXPIRED, CRETULA_ERR_EXPIRED, "anew", false },
		{ EKEYREVOKED, CRETULA_ERR_DENIED, "revoked", false },
		{ EKEYREJECTED, CRETULA_ERR_UNAUTHENTICATED, "token", false },
		{ EACCES, CRETULA_ERR_DENIED, "claimed first", false },
		{ EDQUOT, CRETULA_ERR_LIMITED, "kernel.keys.maxkeys", false },
		{ ENOMEM, CRETULA_ERR_UNAVAILABLE, "memory", false },
	};
	struct cretula_agent *a = new_agent(0);
	struct cretula_error err;

	(void)state;
	for (size_t i = 0; i < NELEM(t); i++) {
		assert_int_equal(agent_key_failed(a, t[i].no, &err), t[i].code);
		assert_non_null(strstr(err.text, t[i].part));
		assert_int_equal(agent_key_elsewhere(t[i].no), t[i].elsewhere);
	}
	cretula_agent_free(a);
}

/* ---- parents */

/* Answers agent.spawn: the token goes into the descriptor. */
static void spawn_script(int fd, int turn)
{
	struct attr verb, type, view;
	struct attrs reply;
	struct buf in;
	struct msg m;
	int got = -1;

	(void)turn;
	buf_init(&in, 4 << 20);
	attrs_init(&reply);
	ENSURE(attrs_add_str(&reply, "agent", WORLD_AGENT) == OK);
	ENSURE(attrs_add_str(&reply, "instance", INSTANCE) == OK);
	while (chan_get1(fd, &in, &m, &got, UINT64_MAX, NULL) == OK) {
		if (is_probe(fd, &m))
			continue;
		ENSURE(attr_find(m.attrs, "verb", &verb) &&
		       attr_is(&verb, "agent.spawn") && got >= 0);
		ENSURE(attr_find(m.attrs, "type", &type) &&
		       attr_is(&type, "web"));
		ENSURE(attr_find(m.attrs, "view", &view) &&
		       attr_is(&view, "self"));
		ENSURE(write(got, token, AGENT_TOKEN_TEXT) == AGENT_TOKEN_TEXT);
		close(got);
		if (served.error)
			say(fd, REPLY, m.id, "agent", WORLD_AGENT);
		else
			ENSURE(chan_put1(fd, REPLY, m.id, attrs_view(&reply)) ==
			       OK);
		buf_clear(&in);
		got = -1;
	}
	attrs_wipe(&reply);
	buf_wipe(&in);
}

static void test_spawns_an_agent(void **state)
{
	struct cretula_list *options = cretula_list_new();
	struct cretula_agent_ref ref = { .token_fd = -1 };
	struct cretula_error err = { .text = "" };
	struct cretula_agent *a = NULL;
	struct cretula *c = NULL;
	char number[16];

	(void)state;
	daemon_begin();
	d.script = spawn_script;
	served.error = NULL;
	assert_int_equal(cretula_list_add_str(options, "view", "self"), 0);
	if (cretula_open_certmgr(NULL, &c, &err) ||
	    cretula_agent_spawn(c, "web", options, -1, &ref, &err))
		fail_msg("%s", err.text);
	assert_string_equal(ref.name, NAME);
	assert_int_equal(fcntl(ref.token_fd, F_GETFD), FD_CLOEXEC);
	/* what it got is what an agent needs */
	clear_env();
	setenv("CRETULA_AGENT", ref.name, 1);
	snprintf(number, sizeof number, "%d", ref.token_fd);
	setenv("CRETULA_TOKEN_FD", number, 1);
	assert_int_equal(cretula_agent_new(&a, &err), 0);
	assert_string_equal(a->token.p, token);
	cretula_agent_free(a);
	served.error = "a reply without instance";
	assert_int_equal(cretula_agent_spawn(c, "web", options, -1, &ref, &err),
			 CRETULA_ERR_INTERNAL);
	cretula_close(c);
	cretula_list_free(options);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_takes_the_token_from_a_descriptor),
		cmocka_unit_test(test_overwrites_the_token_in_the_environment),
		cmocka_unit_test(test_leaves_no_second_token),
		cmocka_unit_test(test_no_agent),
		cmocka_unit_test(test_no_token),
		WITH_DAEMON(test_claims_over_the_socket),
		WITH_DAEMON(
			test_goes_by_the_socket_where_the_keyring_has_nothing),
		WITH_DAEMON(
			test_goes_by_the_socket_where_the_keyring_is_hidden),
		WITH_DAEMON(test_a_refusal_leaves_what_there_is),
		WITH_DAEMON(test_a_payload_that_is_damaged),
		cmocka_unit_test(test_both_ways_closed_are_both_told),
		WITH_DAEMON(test_a_forked_child_has_no_right_to_it),
		cmocka_unit_test(test_reads_a_key_once_and_unlinks_it),
		cmocka_unit_test(test_a_revoked_key_is_not_found_forever),
		cmocka_unit_test(test_a_key_that_others_put_there),
		cmocka_unit_test(test_every_errno_has_its_sentence),
		WITH_DAEMON(test_spawns_an_agent),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
