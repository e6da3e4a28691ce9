/* What people give: words name=value, files, and secrets from a terminal. Runs in
 * cretula; holds a secret in locked memory until it is sealed for the vault. */
#include "tools/cli.h"

#include "lib/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

bool word_split(const char *word, char name[ATTR_NAME_MAX + 1],
		const char **value)
{
	const char *eq = strchr(word, '=');
	size_t n = eq ? (size_t)(eq - word) : strlen(word);

	if (!attr_name_ok(word, n)) {
		cli_say("'%.*s' is no attribute name: NAME=VALUE, NAME of "
			"letters a-z, digits, '_', '.' and '-'",
			(int)MIN(n, 64), word);
		return false;
	}
	memcpy(name, word, n);
	name[n] = '\0';
	*value = eq ? eq + 1 : NULL;
	return true;
}

int words_attrs(const struct cli *cli, size_t from, struct attrs *out)
{
	char name[ATTR_NAME_MAX + 1];
	const char *value;

	for (size_t i = from; i < cli->words; i++) {
		if (!word_split(cli->word[i], name, &value))
			return EXIT_USAGE;
		if (!value)
			return cli_usage(cli, "'%s' has no value: %s=VALUE",
					 name, name);
		if (attrs_add_str(out, name, value) != OK)
			return cli_usage(cli, "too many attributes");
	}
	return 0;
}

static enum err read_fd(int fd, const char *path, size_t max, struct buf *out,
			struct fault *f)
{
	enum {
		GULP = 16 << 10
	};
	size_t before = out->len;

	for (;;) {
		ssize_t n;

		if (buf_reserve(out, GULP) != OK)
			return fault_set(f, ERR_TOO_LARGE,
					 "'%s' is over %zu bytes", path, max);
		n = read(fd, out->p + out->len, GULP);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_set(f, ERR_INVALID,
					 "'%s' cannot be read: %s", path,
					 strerror(errno));
		if (!n)
			return OK;
		out->len += (size_t)n;
		if (out->len - before > max)
			return fault_set(f, ERR_TOO_LARGE,
					 "'%s' is over %zu bytes", path, max);
	}
}

enum err file_read(const char *path, size_t max, struct buf *out,
		   struct fault *f)
{
	AUTO(fd_close) int fd = -1;

	if (!strcmp(path, "-"))
		return read_fd(STDIN_FILENO, "standard input", max, out, f);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fault_set(f, ERR_INVALID, "'%s' cannot be opened: %s",
				 path, strerror(errno));
	return read_fd(fd, path, max, out, f);
}

/* The terminal while it does not echo; what a signal puts back. */
static int tty = -1;
static struct termios tty_before;

static void tty_restore(int sig)
{
	(void)tcsetattr(tty, TCSAFLUSH, &tty_before);
	(void)signal(sig, SIG_DFL);
	(void)raise(sig);
}

static const int tty_signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

static bool tty_quiet(void)
{
	struct termios t;

	tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (tty < 0 || tcgetattr(tty, &tty_before))
		return false;
	for (size_t i = 0; i < NELEM(tty_signals); i++)
		(void)signal(tty_signals[i], tty_restore);
	t = tty_before;
	t.c_lflag &= ~(tcflag_t)ECHO;
	return !tcsetattr(tty, TCSAFLUSH, &t);
}

static void tty_loud(void)
{
	if (tty < 0)
		return;
	(void)tcsetattr(tty, TCSAFLUSH, &tty_before);
	for (size_t i = 0; i < NELEM(tty_signals); i++)
		(void)signal(tty_signals[i], SIG_DFL);
	fd_close(&tty);
}

/* One line, without its newline. */
static enum err tty_line(struct buf *out, struct fault *f)
{
	for (;;) {
		uint8_t *at;
		ssize_t n;

		if (buf_reserve(out, 1) != OK)
			return fault_set(f, ERR_TOO_LARGE,
					 "what was typed is too long");
		n = read(tty, out->p + out->len, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fault_set(f, ERR_INVALID,
					 "the terminal was closed");
		if (out->p[out->len] == '\n')
			return OK;
		TRY(buf_grow(out, 1, &at));
	}
}

static enum err tty_ask(const char *what, const char *again, struct buf *out,
			struct fault *f)
{
	enum err e;

	if (!tty_quiet()) {
		tty_loud();
		return fault_set(f, ERR_INVALID,
				 "there is no terminal to ask for the %s: give "
				 "it as @FILE, or - for standard input",
				 what);
	}
	(void)dprintf(tty, "%s%s: ", what, again);
	e = tty_line(out, f);
	(void)dprintf(tty, "\n");
	tty_loud();
	return e;
}

static void chomp_line(struct buf *b)
{
	if (b->len && b->p[b->len - 1] == '\n')
		b->p[--b->len] = 0;
}

enum err secret_read(const char *source, const char *what, bool chomp,
		     struct buf *out, struct fault *f)
{
	if (!source) {
		TRY(tty_ask(what, "", out, f));
	} else {
		TRY(file_read(source, CLI_SECRET_MAX, out, f));
		if (chomp)
			chomp_line(out);
	}
	if (!out->len)
		return fault_set(f, ERR_INVALID, "the %s is empty", what);
	return OK;
}

enum err secret_ask_twice(const char *what, struct buf *out, struct fault *f)
{
	struct buf again;
	enum err e;

	buf_init_secret(&again, CLI_SECRET_MAX);
	e = secret_read(NULL, what, false, out, f);
	if (e == OK)
		e = tty_ask(what, " again", &again, f);
	if (e == OK &&
	    (again.len != out->len || !secret_equal(again.p, out->p, out->len)))
		e = fault_set(f, ERR_INVALID, "the two are not the same");
	buf_wipe(&again);
	return e;
}
