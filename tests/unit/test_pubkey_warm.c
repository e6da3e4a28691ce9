/* pubkey_warm: a process that may open nothing any more still makes, stores and uses
 * keys of every type. (test: not under valgrind, which opens files itself) */
#include "lib/signkey.h"

#include "tests/unit/unit.h"

#include <seccomp.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	KEY_MAX = 4096
};

static void forbid_open(void)
{
	static const struct rlimit no_core = { 0 };
	scmp_filter_ctx c = seccomp_init(SCMP_ACT_ALLOW);

	ENSURE(!setrlimit(RLIMIT_CORE, &no_core));
	ENSURE(c);
	ENSURE(!seccomp_rule_add(c, SCMP_ACT_KILL_PROCESS, SCMP_SYS(open), 0));
	ENSURE(!seccomp_rule_add(c, SCMP_ACT_KILL_PROCESS, SCMP_SYS(openat),
				 0));
	ENSURE(!seccomp_load(c));
	seccomp_release(c);
}

static enum err use(enum key_type t)
{
	AUTO(signkey_free) struct signkey *k = NULL, *back = NULL;
	AUTO(buf_wipe) struct buf sig = { 0 }, der = { 0 };
	struct span data = span_str("behind the filter");
	struct pubkey p;
	uint8_t id[20];

	buf_init(&sig, KEY_MAX);
	buf_init_secret(&der, KEY_MAX);
	TRY(signkey_new(t, t == KEY_RSA ? 2048 : 0, &k, NULL));
	TRY(signkey_format(k, &der));
	TRY(signkey_parse(span_of(der.p, der.len), &back, NULL));
	TRY(signkey_sign(back, data, &sig));
	TRY(pubkey_parse(signkey_spki(k), &p, NULL));
	pubkey_id(&p, id);
	return pubkey_verify(&p, signkey_alg(k), data, span_of(sig.p, sig.len));
}

static _Noreturn void child(bool warm)
{
	if (warm)
		pubkey_warm();
	forbid_open();
	for (unsigned t = 0; t < KEY__MAX; t++)
		if (use((enum key_type)t) != OK)
			_exit(1);
	_exit(0);
}

static int run(bool warm)
{
	pid_t pid = fork();
	int status = -1;

	assert_true(pid >= 0);
	if (!pid)
		child(warm);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* The second shows that the first could fail: it is killed at openssl.cnf. */
static void test_a_warm_process_opens_nothing(void **state)
{
	(void)state;
	assert_int_equal(run(true), 0);
	assert_true(WIFSIGNALED(run(false)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_warm_process_opens_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
