/* net: the bootstrap sources, in the order of the configuration, until one has a token.
 * The first that says anything for us is the one that counts. Holds their descriptors,
 * and what the last one said. */
#include "certmgr/net_boot.h"

#include "lib/child.h"
#include "lib/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	BOOT_WHY = 160, /* bytes about one source */
};

static struct {
	enum boot_source order[BOOT_SOURCES];
	size_t n;
	int fd[BOOT__SOURCES];
	/* the search */
	size_t at;
	boot_found *found;
	char why[BOOT_SOURCES * BOOT_WHY];
} boot = { .fd = { -1, -1, -1, -1 } };

/* ---- what there is */

void boot_open(struct attr_view said)
{
	struct attr a;

	while (attr_next(&said, &a))
		if (attr_named(&a, "source") &&
		    (boot.n == BOOT_SOURCES ||
		     boot_source_parse(span_of(a.value, a.len),
				       &boot.order[boot.n++]) != OK))
			child_broken("supervisor");
}

bool boot_any(void)
{
	return boot.n > 0;
}

bool boot_give(struct span name, int fd)
{
	enum boot_source s;

	if (boot_source_parse(name, &s) != OK || s == BOOT_IMDS)
		return false;
	fd_close(&boot.fd[s]);
	boot.fd[s] = fd;
	return true;
}

void boot_take_back(void)
{
	for (unsigned i = 0; i < BOOT__SOURCES; i++)
		fd_close(&boot.fd[i]);
}

/* ---- the search */

/* What is wrong with one, kept for the sentence at the end. */
static void not_there(enum boot_source s, const struct fault *f)
{
	size_t len = strlen(boot.why);

	(void)snprintf(boot.why + len, sizeof boot.why - len, "%s%s: %s",
		       len ? "; " : "", boot_source_name(s), f->text);
	if (f->code != ERR_NOT_FOUND)
		log_text(LOG_WARN, "bootstrap", "%s: %s", boot_source_name(s),
			 f->text);
}

static enum err read_source(enum boot_source s, struct buf *text,
			    struct fault *f)
{
	uint8_t *at;
	ssize_t n;

	if (boot.fd[s] < 0)
		return fault_set(f, ERR_NOT_FOUND, "there is none");
	TRY(buf_grow(text, BOOT_TEXT_MAX, &at));
	n = pread(boot.fd[s], at, BOOT_TEXT_MAX, 0);
	if (n < 0)
		return fault_set(f, ERR_UNAVAILABLE, "it cannot be read: %s",
				 strerror(errno));
	if (n == BOOT_TEXT_MAX)
		return fault_set(f, ERR_TOO_LARGE, "it has %d bytes or more",
				 BOOT_TEXT_MAX);
	text->len = (size_t)n;
	return OK;
}

static enum err parse(enum boot_source s, struct span text, struct boot *b,
		      struct fault *f)
{
	switch (s) {
	case BOOT_FILE:
		return boot_parse_file(text, b, f);
	case BOOT_CMDLINE:
		return boot_parse_cmdline(text, b, f);
	case BOOT_NOCLOUD:
	case BOOT_IMDS:
		return boot_parse_user_data(text, b, f);
	case BOOT__SOURCES:
		break;
	}
	UNREACHABLE("a source");
}

static void go_on(void);

static void ended(struct boot *b)
{
	boot_found *found = boot.found;
	struct fault f = { .code = OK };

	boot.found = NULL;
	if (b) {
		found(boot.order[boot.at], b, NULL);
		return;
	}
	(void)fault_set(&f, ERR_NOT_FOUND, "no bootstrap source has one (%s)",
			boot.why);
	found(BOOT_FILE, NULL, &f);
}

/* What a source has said: the answer, if it is for us; else the next one's turn. */
static void heard(struct span text, const struct fault *bad)
{
	AUTO(boot_wipe) struct boot b = { 0 };
	struct fault f = bad ? *bad : (struct fault){ 0 };
	enum boot_source s = boot.order[boot.at];

	if (!bad && parse(s, text, &b, &f) == OK) {
		ended(&b);
		return;
	}
	not_there(s, &f);
	boot.at++;
	go_on();
}

static void go_on(void)
{
	AUTO(buf_wipe) struct buf text = { 0 };
	struct fault f = { 0 };

	if (boot.at == boot.n) {
		ended(NULL);
		return;
	}
	if (boot.order[boot.at] == BOOT_IMDS) {
		imds_ask(heard);
		return;
	}
	buf_init_secret(&text, BOOT_TEXT_MAX);
	if (read_source(boot.order[boot.at], &text, &f) == OK)
		heard(span_of(text.p, text.len), NULL);
	else
		heard((struct span){ 0 }, &f);
}

void boot_find(boot_found *found)
{
	ENSURE(!boot.found);
	boot.found = found;
	boot.at = 0;
	boot.why[0] = 0;
	go_on();
}

void boot_cancel(void)
{
	boot.found = NULL;
}
