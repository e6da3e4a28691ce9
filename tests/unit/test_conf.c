/* lib/conf.c: configuration files, in a temporary folder. */
#include "lib/conf.h"

#include "tests/unit/unit.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct conf_decl decls[] = {
	{ "state", CONF_PATH, "/var/lib/cretula/credd", 0, 0 },
	{ "quota", CONF_SIZE, "16M", 1024, 1ull << 30 },
	{ "revocation_max_age", CONF_DURATION, "60s", 1, 86400 },
	{ "workers", CONF_NUMBER, "8", 1, 64 },
	{ "durable", CONF_BOOL, "no", 0, 0 },
	{ "listen", CONF_LIST, NULL, 0, 0 },
	{ "text", CONF_TEXT, NULL, 0, 0 },
	{ NULL, CONF_TEXT, NULL, 0, 0 },
};

static char folder[64];

static int begin(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof folder, "/tmp/test_conf.XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int end(void **state)
{
	(void)state;
	return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *place(const char *name)
{
	static char path[256];

	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}

static void file(const char *name, const char *text)
{
	FILE *f = fopen(place(name), "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	chmod(place(name), 0644);
}

static void folder_make(const char *name)
{
	assert_int_equal(mkdir(place(name), 0755), 0);
}

static enum err load(struct attrs *out, struct fault *f)
{
	char vendor[128], etc[128];

	(void)snprintf(vendor, sizeof vendor, "%s/usr", folder);
	(void)snprintf(etc, sizeof etc, "%s/etc", folder);
	attrs_init(out);
	*f = (struct fault){ .code = OK };
	return conf_load_from(vendor, etc, "credd", decls, out, f);
}

static void is_text(struct attr_view v, const char *want)
{
	struct buf b;

	buf_init(&b, 4096);
	assert_int_equal(attr_format_text(v, &b), OK);
	assert_int_equal(buf_u8(&b, 0), OK);
	assert_string_equal((char *)b.p, want);
	buf_wipe(&b);
}

static void test_nothing_gives_the_presets(void **state)
{
	struct attrs out;
	struct fault f;

	(void)state;
	assert_int_equal(load(&out, &f), OK);
	is_text(attrs_view(&out), "state=/var/lib/cretula/credd quota=16777216 "
				  "revocation_max_age=60 workers=8 durable=no");
	assert_int_equal(conf_u64(attrs_view(&out), "quota"), 1 << 24);
	assert_false(conf_bool(attrs_view(&out), "durable"));
	assert_null(conf_str(attrs_view(&out), "text"));
	attrs_wipe(&out);
}

static void test_later_files_win(void **state)
{
	struct attrs out;
	struct fault f;

	(void)state;
	folder_make("usr");
	folder_make("etc");
	folder_make("etc/credd.conf.d");
	file("usr/credd.conf", "workers=1 quota=1M\nlisten=a\n");
	file("etc/credd.conf", "# a comment\n\n  workers=2 durable=yes\n"
			       "\t# another\nlisten=b listen=\"c d\"");
	file("etc/credd.conf.d/20-b.conf", "workers=4\n");
	file("etc/credd.conf.d/10-a.conf", "workers=3 text=x\n");
	file("etc/credd.conf.d/30-c.conf~", "workers=5\n");
	file("etc/credd.conf.d/.40.conf", "workers=6\n");
	assert_int_equal(load(&out, &f), OK);
	is_text(attrs_view(&out),
		"state=/var/lib/cretula/credd quota=1048576 "
		"revocation_max_age=60 workers=4 durable=yes listen=a "
		"listen=b listen=\"c d\" text=x");
	attrs_wipe(&out);
	file("etc/credd.conf.d/50.conf", "listen=\nlisten=z\n");
	assert_int_equal(load(&out, &f), OK);
	assert_int_equal(attr_count(attrs_view(&out), "listen"), 1);
	attrs_wipe(&out);
}

static void refused(const char *text, const char *why)
{
	struct attrs out;
	struct fault f = { .code = OK };

	attrs_init(&out);
	assert_int_not_equal(
		conf_check_text(text, strlen(text), "X", decls, &out, &f), OK);
	if (!strstr(f.text, why))
		fail_msg("'%s' gives '%s', not '%s'", text, f.text, why);
	assert_int_equal(out.count, 0);
	attrs_wipe(&out);
}

static void test_refusals_name_file_and_line(void **state)
{
	(void)state;
	refused("\n\nworkers 3\n", "X:3: after 'workers' a '=' is missing");
	refused("worker=3", "X:1: there is no setting 'worker': did you mean "
			    "'workers'?");
	refused("# x\nwrokers=3", "X:2: there is no setting 'wrokers': did");
	refused("zzzzzzzzz=3", "X:1: there is no setting 'zzzzzzzzz'");
	refused("workers=0", "X:1: 'workers' is a number, from 1 to 64");
	refused("workers=65", "from 1 to 64");
	refused("workers=3x", "a number");
	refused("quota=1", "a size such as");
	refused("quota=2G", "a size such as");
	refused("revocation_max_age=60", "a duration such as");
	refused("durable=true", "yes or no");
	refused("state=var", "an absolute path");
	refused("state=\"/a\\x00b\"", "an absolute path");
	refused("!text=x", "holds nothing confidential");
	refused("workers=1\nworkers=2", "X:2: 'workers' is said twice");
	refused("text=a # no", "X:1: ");
}

static void test_one_of_two_words(void **state)
{
	AUTO(attrs_wipe) struct attrs conf = { 0 };
	struct fault f = { 0 };
	bool is = false;

	(void)state;
	attrs_init(&conf);
	assert_int_equal(attrs_add_str(&conf, "audit", "durable"), OK);
	assert_int_equal(attrs_add_str(&conf, "fail", "durably"), OK);
	assert_int_equal(conf_second(attrs_view(&conf), "audit", "normal",
				     "durable", &is, &f),
			 OK);
	assert_true(is);
	assert_int_equal(conf_second(attrs_view(&conf), "audit", "durable",
				     "normal", &is, &f),
			 OK);
	assert_false(is);
	assert_int_equal(conf_second(attrs_view(&conf), "fail", "normal",
				     "durable", &is, &f),
			 ERR_INVALID);
	assert_string_equal(f.text,
			    "fail= is 'normal' or 'durable', not 'durably'");
	assert_false(is);
}

static void file_refused(const char *why)
{
	struct attrs out;
	struct fault f;

	assert_int_not_equal(load(&out, &f), OK);
	if (!strstr(f.text, why))
		fail_msg("'%s', not '%s'", f.text, why);
	attrs_wipe(&out);
}

static void test_files_others_can_write_are_refused(void **state)
{
	struct attrs out;
	struct fault f;

	(void)state;
	folder_make("etc");
	file("etc/credd.conf", "workers=2\n");
	chmod(place("etc/credd.conf"), 0664);
	file_refused("can be written by others");
	chmod(place("etc/credd.conf"), 0646);
	file_refused("can be written by others");
	chmod(place("etc/credd.conf"), 0644);
	folder_make("etc/credd.conf.d");
	assert_int_equal(load(&out, &f), OK);
	attrs_wipe(&out);
	chmod(place("etc/credd.conf.d"), 0777);
	file_refused("can be written by others");
	if (geteuid() != 0)
		return;
	chmod(place("etc/credd.conf.d"), 0755);
	assert_int_equal(chown(place("etc/credd.conf"), 12345, 0), 0);
	file_refused("belongs to uid 12345");
}

static void test_links_and_folders_are_refused(void **state)
{
	(void)state;
	folder_make("etc");
	assert_int_equal(symlink("/etc/hostname", place("etc/credd.conf")), 0);
	file_refused("symbolic link");
	assert_int_equal(unlink(place("etc/credd.conf")), 0);
	folder_make("etc/credd.conf");
	file_refused("not a regular file");
	assert_int_equal(rmdir(place("etc/credd.conf")), 0);
	assert_int_equal(mkfifo(place("etc/credd.conf"), 0600), 0);
	file_refused("not a regular file");
}

static void test_a_named_file_stands_alone(void **state)
{
	struct attrs out;
	struct fault f;
	char path[256];

	(void)state;
	(void)snprintf(path, sizeof path, "%s", place("my.conf"));
	attrs_init(&out);
	assert_int_equal(conf_load(path, "credd", decls, &out, &f),
			 ERR_NOT_FOUND);
	assert_non_null(strstr(f.text, "there is no file"));
	file("my.conf", "workers=7\n");
	folder_make("my.conf.d");
	file("my.conf.d/a.conf", "text=seen\n");
	assert_int_equal(conf_load(path, "credd", decls, &out, &f), OK);
	assert_int_equal(conf_u64(attrs_view(&out), "workers"), 7);
	assert_int_equal(attr_count(attrs_view(&out), "text"), 1);
	attrs_wipe(&out);
}

/* Nothing said where an ordinary user's configuration is: the presets. */
static void test_without_a_name_the_usual_places_are_read(void **state)
{
	struct attrs out;
	struct fault f;

	(void)state;
	chmod(folder, 0755);
	if (!geteuid()) { /* root's is /etc: an unlikely daemon's name there */
		attrs_init(&out);
		assert_int_equal(
			conf_load(NULL, "test_conf-none", decls, &out, &f), OK);
		assert_int_equal(conf_u64(attrs_view(&out), "workers"), 8);
		attrs_wipe(&out);
		assert_int_equal(seteuid(65534), 0);
	}
	setenv("XDG_CONFIG_HOME", folder, 1);
	attrs_init(&out);
	assert_int_equal(conf_load(NULL, "test_conf-none", decls, &out, &f),
			 OK);
	assert_int_equal(conf_u64(attrs_view(&out), "workers"), 8);
	attrs_wipe(&out);
	if (!getuid())
		assert_int_equal(seteuid(0), 0);
}

static void test_too_large_is_refused(void **state)
{
	FILE *f;

	(void)state;
	folder_make("etc");
	file("etc/credd.conf", "");
	f = fopen(place("etc/credd.conf"), "w");
	assert_non_null(f);
	for (int i = 0; i < CONF_FILE_MAX / 8 + 1024; i++)
		fputs("#123456\n", f);
	fclose(f);
	file_refused("is over");
}

#define in_folder(t) cmocka_unit_test_setup_teardown(t, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_folder(test_nothing_gives_the_presets),
		in_folder(test_later_files_win),
		in_folder(test_refusals_name_file_and_line),
		in_folder(test_files_others_can_write_are_refused),
		in_folder(test_links_and_folders_are_refused),
		in_folder(test_a_named_file_stands_alone),
		in_folder(test_without_a_name_the_usual_places_are_read),
		in_folder(test_too_large_is_refused),
		cmocka_unit_test(test_one_of_two_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
