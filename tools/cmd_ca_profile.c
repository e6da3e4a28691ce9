/* cretula ca profile: profiles are files that the CA's admin writes (lib/profile.h), one
 * NAME.conf each; ca only reads them. Runs in cretula; holds nothing. */
#include "tools/ca.h"
#include "tools/file_out.h"

#include "lib/profile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	FOLDER_MODE = 0755,
	FILE_MODE = 0644,
};

static int ask(struct cli *cli, const char *verb,
	       struct cretula_answer **answer)
{
	return ca_ask(cli, true, verb, (struct attr_view){ 0 }, NULL, answer);
}

/* The only word after the verb; NULL and said if there is none, or more. */
static const char *one_name(struct cli *cli, int *rc)
{
	*rc = cli_words(cli, 2);
	if (!*rc && cli->words < 2)
		*rc = cli_usage(cli, "say which: NAME");
	return *rc ? NULL : cli->word[1];
}

static int run_list(struct cli *cli)
{
	struct cretula_answer *answer = NULL;
	int rc = cli_words(cli, 1);

	if (!rc)
		rc = ask(cli, "ca.profiles", &answer);
	if (!rc)
		rc = out_items(cli, answer, NULL);
	cretula_answer_free(answer);
	return rc;
}

static int run_show(struct cli *cli)
{
	struct cretula_answer *answer = NULL;
	struct attr a;
	int rc;
	const char *name = one_name(cli, &rc);

	if (!rc)
		rc = ask(cli, "ca.profiles", &answer);
	if (rc)
		return rc;
	rc = err_exit(ERR_NOT_FOUND);
	for (unsigned i = 0; i < answer->count; i++) {
		struct attr_view v = attrs_view(&answer->item[i].a);

		if (attr_find(v, "profile", &a) && attr_is(&a, name))
			rc = out_list(cli, v, NULL);
	}
	if (rc == err_exit(ERR_NOT_FOUND))
		cli_say("there is no profile '%s'", name);
	cretula_answer_free(answer);
	return rc;
}

/* Where ca looks for profiles; made if it is not there. */
static int open_folder(struct cli *cli, int *dir)
{
	struct cretula_answer *answer = NULL;
	AUTO(mem_free) char *path = NULL;
	struct attr a;
	int rc = ask(cli, "ca.profiles", &answer);

	if (!rc &&
	    (attr_only(attrs_view(&answer->reply.a), "folder", &a) != OK ||
	     attr_str(&a, &path) != OK)) {
		cli_say("ca does not say where its profiles are");
		rc = EXIT_FAILED;
	}
	cretula_answer_free(answer);
	if (rc)
		return rc;
	(void)mkdir(path, FOLDER_MODE);
	*dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*dir >= 0)
		return 0;
	cli_say("the folder '%s' of profiles cannot be used: %s", path,
		strerror(errno));
	return EXIT_FAILED;
}

/* Has ca read them again. What it could not take is a failure. */
static int reload(struct cli *cli)
{
	struct cretula_answer *answer = NULL;
	struct attr_view v;
	struct attr a;
	int rc = ask(cli, "ca.reload", &answer);

	if (rc)
		return rc;
	v = attrs_view(&answer->reply.a);
	while (attr_next(&v, &a)) {
		if (!attr_named(&a, "wrong"))
			continue;
		cli_say("ca cannot take a profile: %.*s", (int)a.len,
			(const char *)a.value);
		rc = EXIT_FAILED;
	}
	cretula_answer_free(answer);
	return rc;
}

/* More than one profile in a file is somebody's own doing, and not undone here. */
static enum err check_alone(int dir, const char *file, struct fault *f)
{
	AUTO(fd_close)
	int fd = openat(dir, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	unsigned lines = 0;
	FILE *in;
	char *line = NULL;
	size_t room = 0;

	if (fd < 0 && errno == ENOENT)
		return OK;
	in = fd < 0 ? NULL : fdopen(fd, "r");
	if (!in)
		return fault_set(f, ERR_INVALID, "'%s' cannot be opened: %s",
				 file, strerror(errno));
	fd = -1; /* in's */
	while (getline(&line, &room, in) >= 0) {
		size_t at = strspn(line, " \t\r\n");

		lines += line[at] && line[at] != '#';
	}
	free(line);
	(void)fclose(in);
	if (lines <= 1)
		return OK;
	return fault_set(f, ERR_CONFLICT,
			 "'%s' has several profiles: edit it, and have ca read "
			 "it again (SIGHUP)",
			 file);
}

static bool file_name(const char *name, char file[PROFILE_NAME_MAX + 8])
{
	if (strlen(name) > PROFILE_NAME_MAX ||
	    !attr_name_ok(name, strlen(name)))
		return false;
	(void)snprintf(file, PROFILE_NAME_MAX + 8, "%s.conf", name);
	return true;
}

/* profile=NAME and the attributes, checked. */
static int make_line(struct cli *cli, struct attrs *line)
{
	struct profile p = { 0 };
	struct fault f = { 0 };
	enum err e;
	int rc;

	ENSURE(attrs_add_str(line, "profile", cli->word[1]) == OK);
	rc = words_attrs(cli, 2, line);
	if (rc)
		return rc;
	e = profile_parse(attrs_view(line), &p, &f);
	if (e != OK)
		return cli_fault(e, &f);
	profile_wipe(&p);
	return 0;
}

static enum err write_line(int dir, const char *file, struct attr_view line,
			   struct fault *f)
{
	struct buf text;
	enum err e;

	buf_init(&text, PROFILE_TEXT_MAX);
	e = check_alone(dir, file, f);
	if (e == OK)
		e = attr_format_text(line, &text);
	if (e == OK)
		e = buf_u8(&text, '\n');
	if (e == OK)
		e = file_write_at(dir, file, text.p, text.len, FILE_MODE, f);
	buf_wipe(&text);
	return e;
}

static int run_set(struct cli *cli)
{
	char file[PROFILE_NAME_MAX + 8];
	AUTO(fd_close) int dir = -1;
	struct fault f = { 0 };
	struct attrs line;
	enum err e;
	int rc = 0;

	if (cli->words < 2)
		return cli_usage(cli, "say which: NAME ATTRIBUTE=VALUE …");
	attrs_init(&line);
	rc = make_line(cli, &line);
	if (!rc && !file_name(cli->word[1], file))
		rc = cli_usage(cli, "'%s' cannot be the name of a file",
			       cli->word[1]);
	if (!rc)
		rc = open_folder(cli, &dir);
	if (!rc) {
		e = write_line(dir, file, attrs_view(&line), &f);
		rc = e == OK ? reload(cli) : cli_fault(e, &f);
	}
	if (!rc)
		rc = out_list(cli, attrs_view(&line), NULL);
	attrs_wipe(&line);
	return rc;
}

static int run_remove(struct cli *cli)
{
	char file[PROFILE_NAME_MAX + 8];
	AUTO(fd_close) int dir = -1;
	struct fault f = { 0 };
	enum err e;
	int rc;
	const char *name = one_name(cli, &rc);

	if (rc)
		return rc;
	if (!file_name(name, file))
		return cli_usage(cli, "'%s' is no profile's name", name);
	rc = open_folder(cli, &dir);
	if (rc)
		return rc;
	e = check_alone(dir, file, &f);
	if (e == OK)
		e = file_remove_at(dir, file, &f);
	if (e == ERR_NOT_FOUND)
		(void)fault_set(&f, e,
				"there is no file '%s' of a profile: those "
				"that are built in stay",
				file);
	return e == OK ? reload(cli) : cli_fault(e, &f);
}

int ca_profile_run(struct cli *cli)
{
	static const struct {
		const char *verb;
		int (*run)(struct cli *cli);
	} verbs[] = {
		{ "list", run_list },
		{ "show", run_show },
		{ "set", run_set },
		{ "remove", run_remove },
	};

	if (!cli->words)
		return cli_usage(cli, "say what: list, show, set or remove");
	for (size_t i = 0; i < NELEM(verbs); i++)
		if (!strcmp(cli->word[0], verbs[i].verb))
			return verbs[i].run(cli);
	return cli_usage(cli, "there is no 'ca profile %s'", cli->word[0]);
}
