/* Log lines. Used by every process; what it prints is an attribute list, whose
 * formatter shows nothing confidential. One write(2) a line: lines of several
 * processes on one descriptor stay whole. Never fails: where standard error takes
 * nothing, the line is lost and the service goes on. */
#include "lib/log.h"

#include "lib/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	LOG_LINE_MAX = 8192,
	LOG_TEXT_MAX = 1024,
	LOG_TAIL = 16, /* kept free for " cut=yes\n" */
};

static const struct {
	const char *name;
	char priority; /* journald's digit: syslog(3) */
} log_levels[] = {
	[LOG_CRIT] = { "crit", '2' },   [LOG_ERR] = { "err", '3' },
	[LOG_WARN] = { "warn", '4' },   [LOG_INFO] = { "info", '6' },
	[LOG_DEBUG] = { "debug", '7' },
};

_Static_assert(NELEM(log_levels) == LOG_DEBUG + 1, "every level has a name");

static struct {
	const char *daemon;
	const char *role;
	enum log_level upto;
	bool journal;
	struct buf line; /* kept, so that a line costs no allocation */
} logger = { .upto = LOG_INFO };

/* True if standard error is the stream journald gave us ("DEVICE:INODE"). */
static bool log_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char mine[64];
	struct stat st;

	if (!stream || fstat(STDERR_FILENO, &st) != 0)
		return false;
	(void)snprintf(mine, sizeof mine, "%llu:%llu",
		       (unsigned long long)st.st_dev,
		       (unsigned long long)st.st_ino);
	return !strcmp(mine, stream);
}

void log_open(const char *daemon, const char *role, enum log_level upto)
{
	logger.daemon = daemon;
	logger.role = role;
	logger.upto = upto;
	logger.journal = log_is_journal();
	buf_wipe(&logger.line);
	buf_init(&logger.line, LOG_LINE_MAX);
	ENSURE(buf_reserve(&logger.line, LOG_LINE_MAX) == OK);
}

static enum err log_put(struct buf *b, const char *name, const char *value)
{
	struct attr a = { .value = (const uint8_t *)value,
			  .len = (uint32_t)strlen(value) };

	TRY(buf_fmt(b, " %s=", name));
	return attr_format_value(&a, b);
}

static enum err log_head(struct buf *b, enum log_level level, const char *event)
{
	uint64_t now = clock_wall_ns();
	char text[CLOCK_TEXT];

	clock_format((int64_t)(now / CLOCK_SECOND), text);
	text[strlen(text) - 1] = 0; /* the Z comes after the milliseconds */
	if (logger.journal)
		TRY(buf_fmt(b, "<%c>", log_levels[level].priority));
	TRY(buf_fmt(b, "level=%s time=%s.%03uZ", log_levels[level].name, text,
		    (unsigned)(now % CLOCK_SECOND / CLOCK_MS)));
	if (logger.daemon)
		TRY(log_put(b, "daemon", logger.daemon));
	if (logger.role)
		TRY(log_put(b, "role", logger.role));
	return log_put(b, "event", event);
}

/* Starts a line; NULL if the level is not written. */
static struct buf *log_begin(enum log_level level, const char *event)
{
	struct buf *b = &logger.line;

	if (level > logger.upto)
		return NULL;
	if (!b->p)
		log_open(logger.daemon, logger.role, logger.upto);
	buf_clear(b);
	b->max = LOG_LINE_MAX - LOG_TAIL;
	return log_head(b, level, event) == OK ? b : NULL;
}

static void log_end(struct buf *b, size_t whole, bool cut)
{
	b->len = whole;
	b->max = LOG_LINE_MAX;
	if (buf_str(b, cut ? " cut=yes\n" : "\n") != OK)
		return;
	for (size_t at = 0; at < b->len;) {
		ssize_t n = write(STDERR_FILENO, b->p + at, b->len - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		at += (size_t)n;
	}
}

/* What does not fit is left out, attribute by attribute, and the line says so. */
void log_event(enum log_level level, const char *event, struct attr_view attrs)
{
	int saved = errno;
	struct buf *b = log_begin(level, event);
	struct attr_view rest = attrs, one;
	struct attr a;
	bool cut = false;
	size_t whole;

	if (!b)
		return;
	whole = b->len;
	for (one = rest; attr_next(&rest, &a); one = rest) {
		one.len = (size_t)(rest.p - one.p);
		if (buf_u8(b, ' ') != OK || attr_format_text(one, b) != OK) {
			b->len = whole;
			cut = true;
			continue;
		}
		whole = b->len;
	}
	log_end(b, whole, cut);
	errno = saved;
}

void log_text(enum log_level level, const char *event, const char *fmt, ...)
{
	int saved = errno;
	struct buf *b = log_begin(level, event);
	char text[LOG_TEXT_MAX];
	size_t whole;
	va_list ap;
	bool cut;

	if (!b)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	whole = b->len;
	cut = log_put(b, "text", text) != OK;
	log_end(b, cut ? whole : b->len, cut);
	errno = saved;
}
