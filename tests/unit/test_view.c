/* The file view for those who may see it: what is in it, what opening, reading, mapping
 * and copying give, that nothing can be written, and how an open file ends.
 * test: not under valgrind: it knows no seccomp and no FUSE */
#include "tests/unit/view_world.h"

static struct stat stat_of(const struct result *r)
{
	struct stat st;

	assert_int_equal(r->error, 0);
	assert_int_equal(r->len, sizeof st);
	memcpy(&st, r->data, sizeof st);
	return st;
}

static void test_the_folder_and_its_files(void **state)
{
	struct actor a = world_agent(AGENT_A, WORLD_UID, SIZES);
	struct stat st;

	(void)state;
	st = stat_of(actor_does(&a, ACT_STAT, 0, 0, path_of(NULL, NULL)));
	assert_int_equal(st.st_mode, S_IFDIR | 0555);
	assert_int_equal(st.st_uid, 0);
	st = stat_of(actor_does(&a, ACT_STAT, 0, 0, path_of(AGENT_A, NULL)));
	assert_int_equal(st.st_mode, S_IFDIR | 0500);
	assert_int_equal(st.st_uid, WORLD_UID);
	st = stat_of(
		actor_does(&a, ACT_STAT, 0, 0, path_of(AGENT_A, "key.pem")));
	assert_int_equal(st.st_mode, S_IFREG | 0400);
	assert_int_equal(st.st_uid, WORLD_UID);
	assert_int_equal(st.st_size, KEY_LEN);
	assert_int_equal(st.st_mtim.tv_sec, 1700000000);
	assert_string_equal(
		actor_does(&a, ACT_LIST, 0, 0, path_of(AGENT_A, NULL))->data,
		". .. cert.pem chain.pem key.pem ca.pem bundle.pem ");
	assert_int_equal(
		actor_does(&a, ACT_STAT, 0, 0, path_of(AGENT_A, "none"))->error,
		ENOENT);
	actor_end(&a);
}

static void test_each_file_is_asked_for_and_read(void **state)
{
	static const struct {
		const char *word;
		size_t len;
	} files[] = { { "cert", CERT_LEN },
		      { "chain", CHAIN_LEN },
		      { "key", KEY_LEN },
		      { "ca", CA_LEN },
		      { "bundle", BUNDLE_LEN } };
	struct actor a = world_agent(AGENT_A, WORLD_UID, SIZES);

	(void)state;
	for (size_t i = 0; i < NELEM(files); i++) {
		int fd = world_open(&a, AGENT_A, files[i].word, (char)i,
				    files[i].len);

		assert_content(actor_does(&a, ACT_PREAD, (uint64_t)fd, 0, NULL),
			       (char)i, files[i].len);
		assert_int_equal(
			actor_does(&a, ACT_CLOSE, (uint64_t)fd, 0, NULL)->error,
			0);
	}
	actor_end(&a);
}

static void test_reading_anywhere_and_to_the_end(void **state)
{
	struct actor a = world_agent(AGENT_A, WORLD_UID, SIZES);
	uint64_t fd = (uint64_t)world_open(&a, AGENT_A, "key", 1, KEY_LEN);
	const struct result *r;
	char want[KEY_LEN];

	(void)state;
	content_of(1, KEY_LEN, want);
	r = actor_does(&a, ACT_PREAD, fd, 200, NULL);
	assert_int_equal(r->len, KEY_LEN - 200);
	assert_memory_equal(r->data, want + 200, KEY_LEN - 200);
	assert_int_equal(actor_does(&a, ACT_PREAD, fd, KEY_LEN, NULL)->value,
			 0);
	assert_int_equal(actor_does(&a, ACT_PREAD, fd, 1 << 20, NULL)->value,
			 0);
	actor_end(&a);
}

/* The next certificate has come between: whoever has it open reads what he opened. */
static void test_an_open_file_keeps_its_content(void **state)
{
	struct actor a = world_agent(AGENT_A, WORLD_UID, SIZES);
	uint64_t old = (uint64_t)world_open(&a, AGENT_A, "key", 1, KEY_LEN);
	uint64_t new;

	(void)state;
	keeper_tells(AGENT_A, a.pid,
		     "changed=1700000001 size.cert=1 size.chain=1 size.key=99 "
		     "size.ca=1 size.bundle=1");
	new = (uint64_t)world_open(&a, AGENT_A, "key", 2, 99);
	assert_content(actor_does(&a, ACT_PREAD, old, 0, NULL), 1, KEY_LEN);
	assert_content(actor_does(&a, ACT_PREAD, new, 0, NULL), 2, 99);
	/* the kernel keeps pages of what is sent so, an inode each */
	assert_content(actor_does(&a, ACT_SENDFILE, old, KEY_LEN, NULL), 1,
		       KEY_LEN);
	assert_content(actor_does(&a, ACT_SENDFILE, new, 99, NULL), 2, 99);
	assert_int_equal(
		actor_does(&a, ACT_STAT, 0, 0, path_of(AGENT_A, "key.pem"))
			->value,
		99);
	actor_end(&a);
}

/* What is opened counts, not what stat said before. */
static void test_content_may_differ_from_the_size_told(void **state)
{
	struct actor a = world_agent(AGENT_A, WORLD_UID, SIZES);
	uint64_t fd = (uint64_t)world_open(&a, AGENT_A, "key", 3, KEY_LEN + 50);

	(void)state;
	assert_content(actor_does(&a, ACT_PREAD, fd, 0, NULL), 3, KEY_LEN + 50);
	actor_end(&a);
}

static void test_mapped(void **state)
{
	struct actor a = world_agent(AGENT_A, WORLD_UID, SIZES);
	uint64_t fd =
		(uint64_t)world_open(&a, AGENT_A, "bundle", 4, BUNDLE_LEN);
	const struct result *r = actor_does(&a, ACT_MMAP, fd, BUNDLE_LEN, NULL);

	(void)state;
	assert_int_equal(r->error, 0);
	assert_content(r, 4, BUNDLE_LEN);
	actor_end(&a);
}

static void test_copied_by_sendfile(void **state)
{
	struct actor a = world_agent(AGENT_A, WORLD_UID, SIZES);
	uint64_t fd = (uint64_t)world_open(&a, AGENT_A, "chain", 5, CHAIN_LEN);
	const struct result *r =
		actor_does(&a, ACT_SENDFILE, fd, CHAIN_LEN + 10, NULL);

	(void)state;
	assert_int_equal(r->error, 0);
	assert_content(r, 5, CHAIN_LEN);
	actor_end(&a);
}

static void test_nothing_can_be_written(void **state)
{
	struct actor a = world_agent(AGENT_A, WORLD_UID, SIZES);

	(void)state;
	assert_int_equal(
		actor_does(&a, ACT_OPEN, O_RDWR, 0, path_of(AGENT_A, "key.pem"))
			->error,
		EROFS);
	assert_int_equal(actor_does(&a, ACT_OPEN, O_WRONLY | O_CREAT, 0,
				    path_of(AGENT_A, "new.pem"))
				 ->error,
			 EROFS);
	assert_int_equal(
		actor_does(&a, ACT_UNLINK, 0, 0, path_of(AGENT_A, "key.pem"))
			->error,
		EROFS);
	assert_int_equal(
		actor_does(&a, ACT_MKDIR, 0, 0, path_of(AGENT_A, "new"))->error,
		EROFS);
	assert_int_equal(
		actor_does(&a, ACT_MKDIR, 0, 0, path_of("new", NULL))->error,
		EROFS);
	actor_end(&a);
}

static void test_without_a_certificate_try_again(void **state)
{
	struct actor a = world_agent(AGENT_A, WORLD_UID, NO_SIZES);

	(void)state;
	assert_int_equal(
		actor_does(&a, ACT_STAT, 0, 0, path_of(AGENT_A, "key.pem"))
			->error,
		0);
	assert_int_equal(actor_does(&a, ACT_OPEN, O_RDONLY, 0,
				    path_of(AGENT_A, "key.pem"))
				 ->error,
			 EAGAIN);
	actor_end(&a);
}

static void test_keepers_refusals(void **state)
{
	static const struct {
		const char *error;
		int no;
	} cases[] = { { "denied", EACCES },        { "expired", EKEYEXPIRED },
		      { "conflict", EKEYREVOKED }, { "not_found", ENOENT },
		      { "pending", EAGAIN },       { "unavailable", EAGAIN },
		      { "internal", EIO },         { "what is that", EIO } };
	struct actor a = world_agent(AGENT_A, WORLD_UID, SIZES);

	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++) {
		actor_tell(&a, ACT_OPEN, O_RDONLY, 0,
			   path_of(AGENT_A, "key.pem"));
		keeper_refuses(keeper_hears(KV_OPEN, AGENT_A, "key", a.pid),
			       cases[i].error);
		assert_int_equal(actor_says(&a)->error, cases[i].no);
	}
	actor_end(&a);
}

static void test_after_revocation_reading_fails(void **state)
{
	struct actor other = actor_new(WORLD_UID);
	struct actor a = world_agent(AGENT_A, WORLD_UID, SIZES);
	uint64_t fd = (uint64_t)world_open(&a, AGENT_A, "key", 1, KEY_LEN);
	const struct result *r;

	(void)state;
	actor_tell(&a, ACT_OPEN, O_RDONLY, 0, path_of(AGENT_A, "ca.pem"));
	(void)keeper_hears(KV_OPEN, AGENT_A, "ca", a.pid);
	keeper_gone(AGENT_A);
	assert_int_equal(actor_says(&a)->error, EKEYREVOKED);
	r = actor_does(&a, ACT_PREAD, fd, 0, NULL);
	assert_int_equal(r->value, -1);
	assert_int_equal(r->error, EKEYREVOKED);
	(void)keeper_hears(KV_DENIED, AGENT_A, NULL, a.pid);
	assert_int_equal(
		actor_does(&a, ACT_STAT, 0, 0, path_of(AGENT_A, NULL))->error,
		EKEYREVOKED);
	assert_int_equal(actor_does(&a, ACT_OPEN, O_RDONLY, 0,
				    path_of(AGENT_A, "key.pem"))
				 ->error,
			 EKEYREVOKED);
	assert_string_equal(
		actor_does(&a, ACT_LIST, 0, 0, path_of(NULL, NULL))->data,
		". .. ");
	assert_int_equal(
		actor_does(&other, ACT_STAT, 0, 0, path_of(AGENT_A, NULL))
			->error,
		ENOENT);
	assert_int_equal(actor_does(&a, ACT_CLOSE, fd, 0, NULL)->error, 0);
	actor_end(&other);
	actor_end(&a);
}

#define AGENT_C "01900000-0000-7000-8000-00000000000c"
#define AGENT_D "01900000-0000-7000-8000-00000000000d"

enum {
	AGENT_OPEN_MAX = 64, /* VIEW_HANDLES_AGENT */
};

static void test_open_files_are_bounded(void **state)
{
	struct actor a = world_agent(AGENT_A, WORLD_UID, SIZES);
	uint64_t fd[AGENT_OPEN_MAX];

	(void)state;
	for (size_t i = 0; i < AGENT_OPEN_MAX; i++)
		fd[i] = (uint64_t)world_open(&a, AGENT_A, "key", (char)i,
					     KEY_LEN);
	assert_int_equal(actor_does(&a, ACT_OPEN, O_RDONLY, 0,
				    path_of(AGENT_A, "key.pem"))
				 ->error,
			 EMFILE);
	for (size_t i = 0; i < AGENT_OPEN_MAX; i++)
		assert_content(actor_does(&a, ACT_PREAD, fd[i], 0, NULL),
			       (char)i, KEY_LEN);
	for (size_t i = 0; i < AGENT_OPEN_MAX; i++)
		assert_int_equal(
			actor_does(&a, ACT_CLOSE, fd[i], 0, NULL)->error, 0);
	/* a closed one is told to the view a moment later than to its process */
	actor_tell(&a, ACT_STAT, 0, 0, path_of(AGENT_A, NULL));
	(void)actor_says(&a);
	(void)world_open(&a, AGENT_A, "key", 9, KEY_LEN);
	actor_end(&a);
}

static void fill(const struct actor *a, const char *id)
{
	for (size_t i = 0; i < AGENT_OPEN_MAX; i++)
		(void)world_open(a, id, "ca", 1, CA_LEN);
}

static void test_one_user_leaves_room_for_others(void **state)
{
	struct actor a = world_agent(AGENT_A, WORLD_UID, SIZES);
	struct actor b = world_agent(AGENT_B, WORLD_UID, SIZES);
	struct actor c = world_agent(AGENT_C, WORLD_UID, SIZES);
	struct actor d = world_agent(AGENT_D, WORLD_OTHER_UID, SIZES);

	(void)state;
	fill(&a, AGENT_A);
	fill(&b, AGENT_B);
	assert_int_equal(actor_does(&c, ACT_OPEN, O_RDONLY, 0,
				    path_of(AGENT_C, "key.pem"))
				 ->error,
			 EMFILE);
	(void)world_open(&d, AGENT_D, "key", 2, KEY_LEN);
	actor_end(&a);
	(void)actor_does(&c, ACT_STAT, 0, 0, path_of(AGENT_C, NULL));
	(void)world_open(&c, AGENT_C, "key", 3, KEY_LEN);
	actor_end(&b);
	actor_end(&c);
	actor_end(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, world_begin, world_end)
		T(test_the_folder_and_its_files),
		T(test_each_file_is_asked_for_and_read),
		T(test_reading_anywhere_and_to_the_end),
		T(test_an_open_file_keeps_its_content),
		T(test_content_may_differ_from_the_size_told),
		T(test_mapped),
		T(test_copied_by_sendfile),
		T(test_nothing_can_be_written),
		T(test_without_a_certificate_try_again),
		T(test_keepers_refusals),
		T(test_after_revocation_reading_fails),
		T(test_open_files_are_bounded),
		T(test_one_user_leaves_room_for_others),
	};

	return world_main("view", tests, NELEM(tests));
}
