/* Used by the vault: what it may import, from what it has seen of that name before. Pure
 * functions; holds nothing. */
#include "lib/export.h"

#include "lib/clock.h"

#include <string.h>

static enum err check_time(const struct export *x, int64_t now, struct fault *f)
{
	char end[CLOCK_TEXT];

	if (x->not_after && now > x->not_after) {
		clock_format(x->not_after, end);
		return fault_set(f, ERR_EXPIRED,
				 "the sealed export was to be imported before "
				 "%s: have another made",
				 end);
	}
	if (!x->version && x->made > now + EXPORT_SKEW)
		return fault_set(f, ERR_INVALID,
				 "the sealed export is dated in the future: "
				 "one of the two clocks is wrong");
	return OK;
}

/* Without a version: it has to be younger than what it replaces, or an old one could
 * be put back by whoever kept it. */
static enum err check_age(const struct export *x, const struct export_seen *s,
			  struct fault *f)
{
	char made[CLOCK_TEXT];

	if (!s->version || x->made > s->made)
		return OK;
	clock_format(s->made, made);
	return fault_set(f, ERR_CONFLICT,
			 "'%s' is not younger than version %llu, made %s: it "
			 "was imported before, or has to be sealed anew (if a "
			 "clock was wrong then, with --version)",
			 x->name, (unsigned long long)s->version, made);
}

/* One that is far above what was seen leaves no numbers for those that follow. */
enum err export_step_check(uint64_t number, uint64_t seen, const char *name,
			   struct fault *f)
{
	if (number <= seen || number - seen <= EXPORT_STEP_MAX)
		return OK;
	return fault_set(f, ERR_CONFLICT,
			 "version %llu of '%s' is far above %llu, the highest "
			 "that this store has seen: at most %llu above are "
			 "taken",
			 (unsigned long long)number, name,
			 (unsigned long long)seen,
			 (unsigned long long)EXPORT_STEP_MAX);
}

enum err export_check(const struct export *x, const struct export_seen *s,
		      int64_t now, uint64_t *number, bool *there,
		      struct fault *f)
{
	bool same = s->current && !memcmp(s->id, x->id, EXPORT_ID) &&
		    x->version <= s->version;

	if (same) {
		*number = s->version;
		*there = true;
		return OK;
	}
	TRY(check_time(x, now, f));
	if (x->purpose == EXPORT_ROTATE && !s->current)
		return fault_set(f, ERR_NOT_FOUND,
				 "there is no credential '%s' here to be "
				 "rotated",
				 x->name);
	if (x->version && x->version <= s->version)
		return fault_set(f, ERR_CONFLICT,
				 "version %llu of '%s' is not above %llu, the "
				 "highest that this store has seen",
				 (unsigned long long)x->version, x->name,
				 (unsigned long long)s->version);
	TRY(x->version ? export_step_check(x->version, s->version, x->name, f)
		       : check_age(x, s, f));
	*number = x->version ? x->version : s->version + 1;
	*there = false;
	return OK;
}
