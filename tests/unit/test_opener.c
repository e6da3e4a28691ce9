/* The opener role as the vault sees it: one question, one answer, then it is gone.
 * test: not under valgrind: it knows no seccomp and no Landlock */
#include "credd/roles.h"
#include "lib/slot.h"

#include "tests/unit/role_test.h"

#include <sys/mman.h>

#define KEY "0123456789abcdef0123456789abcdef"

struct made {
	struct buf header;
	struct buf blob;
};

static void made_wipe(struct made *d)
{
	buf_wipe(&d->header);
	buf_wipe(&d->blob);
}

static struct msg ask(struct role *r, uint32_t kind, const struct attrs *a)
{
	struct msg m;

	role_send(r, kind, 77, a);
	m = role_get(r);
	assert_int_equal(m.id, 77);
	return m;
}

static void make_request(struct attrs *a, const char *type, const char *secret)
{
	attrs_init(a);
	assert_int_equal(attrs_add(a, "key", 1, KEY, KEY_SIZE), OK);
	assert_int_equal(attrs_add(a, "store", 0, KEY, STORE_ID_SIZE), OK);
	assert_int_equal(attrs_add_str(a, "type", type), OK);
	assert_int_equal(attrs_add(a, "secret", 1, secret, strlen(secret)), OK);
	list_of(a, "epoch=3 slot=2 ops=1 mem=67108864");
}

static void keep(const struct msg *m, const char *name, struct buf *out)
{
	struct attr a;

	assert_int_equal(attr_only(m->attrs, name, &a), OK);
	assert_int_equal(buf_put(out, a.value, a.len), OK);
}

static void make(struct made *d, const char *type, const char *secret)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	struct role r;
	struct msg m;

	buf_init(&d->header, SLOT_HEADER);
	buf_init(&d->blob, SLOT_BLOB);
	make_request(&a, type, secret);
	role_start(&r, role_opener, -1);
	m = ask(&r, VO_MAKE, &a);
	if (m.kind == VO_FAILED)
		assert_failed(&m, VO_SLOT, "", "");
	assert_int_equal(m.kind, VO_SLOT);
	keep(&m, "header", &d->header);
	keep(&m, "blob", &d->blob);
	assert_int_equal(role_end(&r), 0);
}

static void open_request(struct attrs *a, const struct made *d,
			 const char *secret)
{
	attrs_init(a);
	assert_int_equal(attrs_add(a, "header", 0, d->header.p, d->header.len),
			 OK);
	assert_int_equal(attrs_add(a, "blob", 0, d->blob.p, d->blob.len), OK);
	if (secret)
		assert_int_equal(
			attrs_add(a, "secret", 1, secret, strlen(secret)), OK);
}

static void assert_opens(const struct made *d, const char *secret, int fd4)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	struct attr key, epoch;
	struct role r;
	struct msg m;

	open_request(&a, d, secret);
	role_start(&r, role_opener, fd4);
	m = ask(&r, VO_OPEN, &a);
	if (m.kind == VO_FAILED)
		assert_failed(&m, VO_KEY, "", "");
	assert_int_equal(m.kind, VO_KEY);
	assert_int_equal(attr_only(m.attrs, "key", &key), OK);
	assert_true(attr_is(&key, KEY));
	assert_int_equal(key.flags, ATTR_CONFIDENTIAL);
	assert_int_equal(attr_only(m.attrs, "epoch", &epoch), OK);
	assert_true(attr_is(&epoch, "3"));
	assert_int_equal(role_end(&r), 0);
}

static void assert_refused(const struct made *d, const char *secret,
			   const char *error, const char *words)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	struct role r;
	struct msg m;

	open_request(&a, d, secret);
	role_start(&r, role_opener, -1);
	m = ask(&r, VO_OPEN, &a);
	assert_failed(&m, VO_FAILED, error, words);
	assert_int_equal(role_end(&r), 0);
}

static void test_makes_and_opens_a_slot(void **state)
{
	AUTO(made_wipe) struct made d = { 0 };

	(void)state;
	make(&d, "passphrase", "correct horse");
	assert_opens(&d, "correct horse", -1);
	assert_refused(&d, "wrong horse", "denied", "wrong passphrase");
	assert_refused(&d, NULL, "invalid", "empty");
	d.blob.p[0] ^= 1;
	assert_refused(&d, "correct horse", "invalid", "damaged");
}

static void test_reads_the_configured_key_file(void **state)
{
	AUTO(made_wipe) struct made d = { 0 };
	AUTO(fd_close) int file = memfd_create("key", MFD_CLOEXEC);

	(void)state;
	make(&d, "keyfile", "forty bytes that are a key file's content");
	assert_int_equal(
		write(file, "forty bytes that are a key file's content", 41),
		41);
	assert_opens(&d, NULL, file);
	assert_opens(&d, NULL, file); /* whoever read it before */
}

static void test_odd_questions_are_answered(void **state)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	struct role r;
	struct msg m;

	(void)state;
	make_request(&a, "tpm2", "x");
	role_start(&r, role_opener, -1);
	m = ask(&r, VO_MAKE, &a);
	assert_failed(&m, VO_FAILED, "invalid", "passphrase or keyfile");
	assert_int_equal(role_end(&r), 0);

	list_of(&a, "epoch=4");
	role_start(&r, role_opener, -1);
	m = ask(&r, VO_MAKE, &a);
	assert_failed(&m, VO_FAILED, "internal", "epoch");
	assert_int_equal(role_end(&r), 0);

	role_start(&r, role_opener, -1);
	m = ask(&r, 999, NULL);
	assert_failed(&m, VO_FAILED, "internal", "999");
	assert_int_equal(role_end(&r), 0);
}

static void test_answers_once(void **state)
{
	struct role r;
	struct msg m;
	char byte;

	(void)state;
	role_start(&r, role_opener, -1);
	role_send(&r, VO_OPEN, 1, NULL);
	role_send(&r, VO_OPEN, 2, NULL);
	m = role_get(&r);
	assert_int_equal(m.id, 1);
	assert_true(recv(r.vault, &byte, 1, 0) <= 0);
	assert_int_equal(role_end(&r), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_makes_and_opens_a_slot),
		cmocka_unit_test(test_reads_the_configured_key_file),
		cmocka_unit_test(test_odd_questions_are_answered),
		cmocka_unit_test(test_answers_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
