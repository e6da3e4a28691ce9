/* Time. Deadlines, rates and ages use CLOCK_BOOTTIME in nanoseconds; the wall
 * clock is only for protocols and audit. Passed in wherever a test must own it. */
#ifndef LIB_CLOCK_H
#define LIB_CLOCK_H

#include "lib/err.h"

#define CLOCK_SECOND 1000000000ull
#define CLOCK_MS     1000000ull

uint64_t clock_boot(void); /* ns since boot, counting suspend */
int64_t clock_wall(void);  /* s since 1970-01-01T00:00:00Z */
uint64_t clock_wall_ns(void);

/* A moment as the calendar has it, in UTC. */
struct civil {
	int year, month, day, hour, minute, second; /* month and day from 1 */
	int weekday; /* 0: Sunday; not read by clock_from_civil */
};
/* Times outside the years 0000 to 9999 become the nearest one inside. */
void clock_civil(int64_t t, struct civil *c);
/* ERR_INVALID if there is no such moment (a leap second is none). */
MUST enum err clock_from_civil(const struct civil *c, int64_t *t);

enum {
	CLOCK_TEXT = 32
};

/* "2026-01-02T03:04:05Z" (RFC 3339) into text; years 0000 to 9999. */
void clock_format(int64_t t, char text[CLOCK_TEXT]);

/* The same, back; and the basic form 20260102T030405Z of AWS. */
MUST enum err clock_parse(const char *text, size_t len, int64_t *t);
MUST enum err clock_parse_basic(const char *text, size_t len, int64_t *t);

#endif
