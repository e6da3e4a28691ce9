/* ca/signer_keys: what lies on the disk opens with the right key file only, and not at
 * all when it was touched; and each failure says so. */

#include "tests/unit/signer_world.h"

#include "lib/own_file.h"
#include <sys/stat.h>

static struct world w;

static int begin(void **state)
{
	(void)state;
	world_open(&w);
	world_init(&w, "p256");
	return 0;
}

static int end(void **state)
{
	(void)state;
	world_close(&w);
	return 0;
}

static void broken(const char *words)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	struct attr v;

	assert_int_equal(w.s.state, SIGNER_BROKEN);
	if (!strstr(w.s.why.text, words))
		fail_msg("%s", w.s.why.text);
	attrs_init(&a);
	assert_int_equal(signer_state_format(&w.s, &a), OK);
	assert_int_equal(attr_only(attrs_view(&a), "state", &v), OK);
	assert_true(attr_is(&v, "broken"));
	attrs_clear(&w.ask);
	world_refused(&w, IG_OCSP_NEW, -1, ERR_UNAVAILABLE, words);
	world_refused(&w, IG_INIT, -1, ERR_UNAVAILABLE, words);
}

static void works(void)
{
	world_restart(&w);
	if (w.s.state != SIGNER_READY)
		fail_msg("%s", w.s.why.text);
	w.next = w.s.mark.next;
	(void)world_sign(&w, "web", signkey_spki(w.key));
}

static void start_with(struct buf *keyfile)
{
	int dir = open(w.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	signer_wipe(&w.s);
	signer_init(&w.s, dir, keyfile);
}

static void test_another_key_file_is_named(void **state)
{
	struct buf k;

	(void)state;
	world_keyfile(&k, 'x');
	start_with(&k);
	broken("key file is not the one");
	works();
}

static void test_no_key_file_is_named(void **state)
{
	struct buf k;

	(void)state;
	buf_init_secret(&k, KEYS_KEYFILE_MAX);
	start_with(&k);
	broken("key file has 0 bytes");
	works();
}

static void test_every_changed_byte_of_the_keys_is_refused(void **state)
{
	AUTO(buf_wipe) struct buf b = { 0 }, k = { 0 };
	struct signer_keys got;

	(void)state;
	buf_init(&b, KEYS_FILE_MAX);
	world_keyfile(&k, 'k');
	world_ok(keys_format(&w.s.keys, &k, &b, &w.f), &w.f);
	world_ok(keys_parse(&got, b.p, b.len, &k, &w.f), &w.f);
	keys_wipe(&got);
	for (size_t i = 0; i < b.len; i++) {
		assert_int_not_equal(keys_parse(&got, b.p, i, &k, &w.f), OK);
		b.p[i] ^= 4;
		assert_int_not_equal(keys_parse(&got, b.p, b.len, &k, &w.f),
				     OK);
		b.p[i] ^= 4;
	}
	b.p[b.len - 1] ^= 1;
	assert_int_equal(keys_parse(&got, b.p, b.len, &k, &w.f), ERR_INVALID);
	assert_non_null(strstr(w.f.text, "damaged or was edited"));
}

static void test_no_key_lies_bare(void **state)
{
	AUTO(buf_wipe) struct buf b = { 0 }, k = { 0 }, der = { 0 };

	(void)state;
	buf_init(&b, KEYS_FILE_MAX);
	buf_init_secret(&der, 8192);
	world_keyfile(&k, 'k');
	world_ok(keys_format(&w.s.keys, &k, &b, &w.f), &w.f);
	world_ok(signkey_format(w.s.keys.issuing, &der), &w.f);
	for (size_t i = 0; i + 16 <= der.len; i += 8)
		assert_null(memmem(b.p, b.len, der.p + i, 16));
	assert_null(memmem(b.p, b.len, secret_bytes(w.s.keys.log_seed), 16));
}

static void test_modes_and_links_are_looked_at(void **state)
{
	(void)state;
	assert_int_equal(fchmodat(w.s.dir, KEYS_FILE, 0640, 0), 0);
	world_restart(&w);
	broken("mode 0640");
	assert_int_equal(fchmodat(w.s.dir, KEYS_FILE, 0600, 0), 0);
	assert_int_equal(renameat(w.s.dir, KEYS_FILE, w.s.dir, "away"), 0);
	assert_int_equal(symlinkat("away", w.s.dir, KEYS_FILE), 0);
	world_restart(&w);
	broken("cannot be opened");
	assert_int_equal(renameat(w.s.dir, "away", w.s.dir, KEYS_FILE), 0);
	works();
}

/* Else a disk that cannot be read would be one for a new CA. */
static void test_what_cannot_be_looked_at_is_not_missing(void **state)
{
	(void)state;
	assert_true(own_file_there(w.s.dir, KEYS_FILE));
	assert_false(own_file_there(w.s.dir, "nothing"));
	assert_true(own_file_there(-1, KEYS_FILE));
}

static void test_a_missing_mark_stops_everything(void **state)
{
	(void)state;
	assert_int_equal(renameat(w.s.dir, MARK_FILE, w.s.dir, "away"), 0);
	world_restart(&w);
	broken("high-water mark is missing");
	assert_int_equal(renameat(w.s.dir, "away", w.s.dir, MARK_FILE), 0);
	works();
}

/* The root key of a CA whose `issuing` is gone is not written over. */
static void test_init_does_not_write_over_a_root_key(void **state)
{
	(void)state;
	assert_int_equal(renameat(w.s.dir, KEYS_FILE, w.s.dir, "away"), 0);
	world_restart(&w);
	assert_int_equal(w.s.state, SIGNER_NONE);
	assert_int_equal(world_init_with(&w, "p256", WORLD_SCOPE), ERR_EXISTS);
	assert_non_null(strstr(w.f.text, "move it away"));
	assert_int_equal(renameat(w.s.dir, "away", w.s.dir, KEYS_FILE), 0);
	works();
}

static void test_a_changed_root_key_is_refused(void **state)
{
	struct signkey *root = NULL;
	struct attr_view pass = { (const uint8_t *)WORLD_PASS,
				  strlen(WORLD_PASS) };
	int fd = openat(w.s.dir, ROOT_FILE, O_RDWR);
	off_t size = lseek(fd, 0, SEEK_END);
	const off_t at[] = { 0, 30, 60, size - 1 };

	(void)state;
	for (size_t i = 0; i < NELEM(at); i++) {
		uint8_t b;

		assert_int_equal(pread(fd, &b, 1, at[i]), 1);
		b ^= 1;
		assert_int_equal(pwrite(fd, &b, 1, at[i]), 1);
		assert_int_equal(
			root_load(&w.s.keys, w.s.dir, pass, &root, &w.f),
			ERR_INVALID);
		assert_non_null(strstr(w.f.text, "damaged"));
		b ^= 1;
		assert_int_equal(pwrite(fd, &b, 1, at[i]), 1);
	}
	close(fd);
	world_ok(root_load(&w.s.keys, w.s.dir, pass, &root, &w.f), &w.f);
	signkey_free(&root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_another_key_file_is_named),
		cmocka_unit_test(test_no_key_file_is_named),
		cmocka_unit_test(
			test_every_changed_byte_of_the_keys_is_refused),
		cmocka_unit_test(test_no_key_lies_bare),
		cmocka_unit_test(test_modes_and_links_are_looked_at),
		cmocka_unit_test(test_what_cannot_be_looked_at_is_not_missing),
		cmocka_unit_test(test_a_missing_mark_stops_everything),
		cmocka_unit_test(test_init_does_not_write_over_a_root_key),
		cmocka_unit_test(test_a_changed_root_key_is_refused),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
