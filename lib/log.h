/* Log lines: one per event, logfmt to standard error, with a journald priority
 * prefix when standard error is the journal. An event's attributes are an attribute
 * list, so a confidential one cannot be printed. */
#ifndef LIB_LOG_H
#define LIB_LOG_H

#include "lib/attr.h"

enum log_level {
	LOG_CRIT,
	LOG_ERR,
	LOG_WARN,
	LOG_INFO,
	LOG_DEBUG,
};

/* Names this process in every line (both names are kept, not copied), and the level
 * that is still written. */
void log_open(const char *daemon, const char *role, enum log_level upto);

/* level=… time=… daemon=… role=… event=EVENT, then the attributes. */
void log_event(enum log_level level, const char *event, struct attr_view attrs);

/* The same with one text attribute made by fmt. */
void log_text(enum log_level level, const char *event, const char *fmt, ...)
	PRINTF(3, 4);

#endif
