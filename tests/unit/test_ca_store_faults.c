/* ca's store when things go wrong: killed at any moment, a full disk, an issuer that
 * sends nonsense, a file that is not as it should be.
 * test: not under valgrind: it knows no seccomp and no Landlock */
#include "tests/unit/ca_store_test.h"

#include <sched.h>
#include <sqlite3.h>
#include <sys/mount.h>

enum {
	KILLS = 30,
	IN_FLIGHT = 12,
	PER_TXN = 4,
	KILL_DER = 30000, /* so that checkpoints happen meanwhile */
	FULL_BYTES = 2 << 20,
	FULL_DER = 40000,
};

/* Killed */

/* Transaction g: certificates 4g+1 … 4g+4, as many records, a token used. */
static void send_txn(struct role *r, uint64_t *g)
{
	struct txn t = txn(g);
	uint64_t first = *g * PER_TXN;
	char text[160];

	for (uint64_t i = 0; i < PER_TXN; i++) {
		struct cert c = cert_of(first + i + 1);

		c.der = KILL_DER;
		c.log = 1 + first + i;
		op_cert(&t, &c);
	}
	op_records(&t, first, PER_TXN);
	op_revoke(&t, first + 1, 5, 1);
	(void)snprintf(text, sizeof text, "id=%016" PRIu64 " n=1", *g);
	op_text(&t, "token", text);
	(void)snprintf(text, sizeof text,
		       "id=%016" PRIu64 " address=x number=%" PRIu64
		       " request=0123456789abcdef0123456789abcdef",
		       *g, first + 1);
	op_text(&t, "use", text);
	txn_send(r, &t);
	++*g;
}

/* All of each transaction up to g, and nothing of any later one. */
static void check_whole(struct role *r, const struct loaded *l)
{
	uint64_t certs = l->generation * PER_TXN;
	struct msg m;

	assert_int_equal(l->next, certs + 1);
	assert_int_equal(l->log_size, certs);
	assert_int_equal(l->records, certs);
	m = ask(r, IS_COUNT, "now=0 soon=0");
	assert_int_equal(number_in(m.attrs, "certs"), certs);
	assert_int_equal(number_in(m.attrs, "revoked"), l->generation);
	m = ask(r, IS_REVOKED_FROM, "after=0 expired_before=0 limit=16000");
	assert_int_equal(m.kind, IS_REVOKED);
	if (!certs)
		return;
	m = ask(r, IS_FIND, "limit=1 der=yes");
	assert_int_equal(m.kind, IS_ITEM);
	assert_int_equal(number_in(m.attrs, "number"), certs);
	assert_int_equal(role_get(r).kind, IS_DONE);
	assert_int_equal(ask(r, IS_PROVE, "index=0").kind, IS_PROOF);
}

static void test_killed_at_any_moment_keeps_what_was_answered(void **state)
{
	uint64_t seed = unit_seed(), sent = 0, done = 0;

	(void)state;
	for (int k = 0; k < KILLS; k++) {
		unsigned answers = (unsigned)unit_below(&seed, 2 * IN_FLIGHT);
		struct loaded l;
		struct role r;

		start(&r);
		load(&r, &l);
		attrs_wipe(&l.state);
		if (l.generation < done || l.generation > sent)
			fail_msg("%" PRIu64 " sent, %" PRIu64
				 " answered, %" PRIu64 " there",
				 sent, done, l.generation);
		check_whole(&r, &l);
		sent = done = l.generation;
		for (unsigned i = 0; i < answers + IN_FLIGHT; i++) {
			struct msg m;

			send_txn(&r, &sent);
			if (i < IN_FLIGHT)
				continue;
			m = role_get(&r);
			assert_int_equal(m.kind, IS_DONE);
			done = m.id;
		}
		assert_int_equal(kill(r.pid, SIGKILL), 0);
		(void)role_end(&r);
	}
	assert_true(done > KILLS);
}

/* The disk */

static bool commit_one(struct role *r, uint64_t *g, uint64_t number)
{
	struct cert c = cert_of(number);
	struct txn t = txn(g);
	struct msg m;

	c.der = FULL_DER;
	op_cert(&t, &c);
	op_records(&t, number - 1, 1);
	txn_send(r, &t);
	m = role_get(r);
	if (m.kind == IS_DONE) {
		++*g;
		return true;
	}
	assert_failed(&m, IS_FAILED, "unavailable", "the disk is full");
	return false;
}

static uint64_t certs_of(struct role *r)
{
	struct msg m = ask(r, IS_COUNT, "now=0 soon=0");

	return number_in(m.attrs, "certs");
}

static void on_small_disk(void)
{
	uint64_t g, n = 0;
	struct role r;

	folder_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	g = start_loaded(&r);
	while (commit_one(&r, &g, n + 1))
		assert_true(++n < 200);
	for (int i = 0; i < 5; i++)
		assert_false(commit_one(&r, &g, n + 1));
	assert_int_equal(certs_of(&r), n);
	assert_int_equal(ask(&r, IS_PROVE, "index=0").kind, IS_PROOF);
	assert_int_equal(mount("none", ".", "none", MS_REMOUNT, "size=32m"), 0);
	for (int i = 0; i < 50; i++, n++)
		assert_true(commit_one(&r, &g, n + 1));
	assert_int_equal(certs_of(&r), n);
	assert_int_equal(kill(r.pid, SIGKILL), 0);
	(void)role_end(&r);
	assert_int_equal(start_loaded(&r), g);
	assert_int_equal(certs_of(&r), n);
	assert_int_equal(role_end(&r), 0);
}

static void test_full_disk_refuses_and_recovers(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(mkdir("disk", 0700), 0);
	fflush(NULL);
	pid = fork();
	if (!pid) {
		char size[32];

		(void)snprintf(size, sizeof size, "mode=0700,size=%d",
			       FULL_BYTES);
		if (unshare(CLONE_NEWNS) ||
		    mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) ||
		    mount("none", "disk", "tmpfs", 0, size) || chdir("disk"))
			_exit(77);
		on_small_disk();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
}

/* A broken issuer */

static void good_txn(struct attrs *out, uint64_t g)
{
	struct txn t = txn(&g);
	struct cert c = cert_of(g + 1);
	char text[160];

	c.der = 8;
	c.log = g + 1;
	c.unproven = true;
	op_records(&t, g, 1);
	op_cert(&t, &c);
	op_revoke(&t, g + 1, 5, 1);
	(void)snprintf(text, sizeof text, "number=%" PRIu64, g + 1);
	op_text(&t, "proven", text);
	(void)snprintf(text, sizeof text, "id=%016" PRIu64 " expires=9", g);
	op_text(&t, "token", text);
	(void)snprintf(text, sizeof text,
		       "id=%016" PRIu64 " address=x number=7"
		       " request=0123456789abcdef0123456789abcdef",
		       g);
	op_text(&t, "use", text);
	(void)snprintf(text, sizeof text, "id=%016" PRIu64 " time=9 text=x", g);
	op_text(&t, "alarm", text);
	op_text(&t, "meta", "name=a value=b");
	*out = t.ops;
}

/* It answered, or ended this connection, or itself with 1. */
static void assert_clean(struct role *r)
{
	struct fault f;
	struct msg m;
	int status;
	enum err e = chan_get1(r->vault, &r->in, &m, NULL,
			       clock_boot() + ROLE_WAIT_S * CLOCK_SECOND, &f);

	if (e == OK) {
		assert_true(m.kind == IS_DONE || m.kind == IS_FAILED);
		assert_int_equal(role_end(r), 0);
		return;
	}
	assert_int_equal(e, ERR_UNAVAILABLE);
	fd_close(&r->vault);
	fd_close(&r->sup);
	buf_wipe(&r->in);
	assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
		fail_msg("the store ended with status %#x", (unsigned)status);
}

static void test_every_prefix_of_a_commit_is_harmless(void **state)
{
	AUTO(attrs_wipe) struct attrs whole = { 0 };
	size_t len;

	(void)state;
	good_txn(&whole, 0);
	len = whole.bytes.len;
	for (size_t cut = 0; cut < len; cut++) {
		AUTO(attrs_wipe) struct attrs now = { 0 };
		struct role r;

		good_txn(&now, start_loaded(&r));
		assert_int_equal(chan_put1(r.vault, IS_COMMIT, 1,
					   (struct attr_view){
						   now.bytes.p,
						   MIN(cut, now.bytes.len) }),
				 OK);
		assert_clean(&r);
	}
}

/* The whole, but for its n-th attribute, whose value is cut. */
static void cut_one(const struct attrs *whole, unsigned n, size_t cut,
		    struct attrs *out)
{
	struct attr_view it = attrs_view(whole);
	struct attr a;

	attrs_init(out);
	while (attr_next(&it, &a)) {
		if (!n--)
			a.len = (uint32_t)MIN(cut, a.len);
		assert_int_equal(attrs_add_attr(out, &a), OK);
	}
}

static size_t value_len(const struct attrs *whole, unsigned n)
{
	struct attr_view it = attrs_view(whole);
	struct attr a;

	while (attr_next(&it, &a))
		if (!n--)
			return a.len;
	return 0;
}

static void test_every_operation_cut_short_is_harmless(void **state)
{
	AUTO(attrs_wipe) struct attrs whole = { 0 };

	(void)state;
	good_txn(&whole, 0);
	for (unsigned n = 0; n < whole.count; n++) {
		size_t len = value_len(&whole, n);

		for (size_t cut = 0; cut < len; cut++) {
			AUTO(attrs_wipe) struct attrs now = { 0 };
			AUTO(attrs_wipe) struct attrs bad = { 0 };
			struct role r;

			good_txn(&now, start_loaded(&r));
			cut_one(&now, n, cut, &bad);
			role_send(&r, IS_COMMIT, 1, &bad);
			assert_clean(&r);
		}
	}
}

static void breaks_it(uint32_t kind, const char *text)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	struct role r;

	attrs_init(&a);
	list_of(&a, text);
	start_loaded(&r);
	role_send(&r, kind, 1, &a);
	assert_ends(&r);
}

static void test_nonsense_ends_it(void **state)
{
	(void)state;
	breaks_it(IS_COMMIT, "");
	breaks_it(IS_COMMIT, "generation=1 generation=1");
	breaks_it(IS_COMMIT, "generation=1 drop=everything");
	breaks_it(IS_COMMIT, "generation=1 record=x");
	breaks_it(IS_COMMIT, "generation=1 cert=x");
	breaks_it(IS_STATUS, "number=x");
	breaks_it(IS_STATUS, "number=1099511627776");
	breaks_it(IS_STATUS, "n=1");
	breaks_it(IS_TOKEN, "");
	breaks_it(IS_TOKEN, "token=short");
	breaks_it(IS_TOKEN, "tokens=yes");
	breaks_it(IS_FIND, "type=web");
	breaks_it(IS_FIND, "limit=0");
	breaks_it(IS_FIND, "limit=1001");
	breaks_it(IS_FIND, "limit=1 revoked=perhaps");
	breaks_it(IS_FIND, "limit=1 revoked=yes revoked=yes");
	breaks_it(IS_REVOKED_FROM, "after=0 expired_before=0");
	breaks_it(IS_REVOKED_FROM, "after=0 expired_before=0 limit=16001");
	breaks_it(IS_REVOKED_FROM, "after=0 expired_before=0 limit=0");
	breaks_it(IS_READ, "from=0");
	breaks_it(IS_PROVE, "");
	breaks_it(IS_COUNT, "now=1");
}

/* Files as they should not be */

static void edit(const char *sql)
{
	sqlite3 *s = NULL;

	assert_int_equal(sqlite3_open("ca.db", &s), SQLITE_OK);
	if (sqlite3_exec(s, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(s));
	sqlite3_close(s);
}

static void load_fails(struct role *r, const char *error, const char *words)
{
	struct msg m;

	role_send(r, IS_LOAD, 1, NULL);
	m = role_get(r);
	assert_failed(&m, IS_FAILED, error, words);
}

static void test_newer_file_is_refused_until_put_right(void **state)
{
	struct loaded l;
	struct role r;

	(void)state;
	start_loaded(&r);
	assert_int_equal(role_end(&r), 0);
	edit("UPDATE state SET format = 2");
	start(&r);
	load_fails(&r, "unsupported", "newer version");
	edit("UPDATE state SET format = 1");
	load(&r, &l);
	attrs_wipe(&l.state);
	assert_int_equal(role_end(&r), 0);
}

static void test_strange_files_are_refused(void **state)
{
	struct role r;
	uint64_t g = 0;

	(void)state;
	start_loaded(&r);
	send_txn(&r, &g);
	assert_int_equal(role_get(&r).kind, IS_DONE);
	assert_int_equal(role_end(&r), 0);
	start(&r);
	assert_int_equal(chmod("ca.db", 0640), 0);
	load_fails(&r, "invalid", "mode 0640");
	assert_int_equal(chmod("ca.db", 0600), 0);
	edit("DELETE FROM log WHERE idx = 2");
	load_fails(&r, "invalid", "record of its log is missing");
	edit("DELETE FROM state");
	load_fails(&r, "invalid", "its state");
	edit("DROP TABLE state");
	load_fails(&r, "invalid", "its tables");
	assert_int_equal(role_end(&r), 0);
}

static void test_crash_while_it_was_made_is_no_harm(void **state)
{
	AUTO(fd_close) int fd = open("ca.db", O_CREAT | O_WRONLY, 0600);
	struct role r;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(start_loaded(&r), 0);
	assert_int_equal(role_end(&r), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_killed_at_any_moment_keeps_what_was_answered),
		IN_FOLDER(test_full_disk_refuses_and_recovers),
		IN_FOLDER(test_every_prefix_of_a_commit_is_harmless),
		IN_FOLDER(test_every_operation_cut_short_is_harmless),
		IN_FOLDER(test_nonsense_ends_it),
		IN_FOLDER(test_newer_file_is_refused_until_put_right),
		IN_FOLDER(test_strange_files_are_refused),
		IN_FOLDER(test_crash_while_it_was_made_is_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
