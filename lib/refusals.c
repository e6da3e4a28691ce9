/* Used by vault and keeper; what strangers' certificates say is shown as the bytes they
 * are, cut to a length. */
#include "lib/refusals.h"

#include "lib/clock.h"
#include "lib/kinds.h"
#include "lib/log.h"

bool refusals_may(struct refusals *r, uint64_t boot)
{
	uint64_t burst = REFUSALS_BURST * (uint64_t)CLOCK_SECOND;

	r->total++;
	if (r->since + burst < boot || r->since > boot)
		r->since = boot > burst ? boot - burst : 0;
	if (r->since + (uint64_t)CLOCK_SECOND > boot) {
		r->held++;
		return false;
	}
	r->since += (uint64_t)CLOCK_SECOND;
	return true;
}

static bool is_known(const struct attr *a)
{
	static const char *const names[] = { "error",    "reason", "peer",
					     "serial",   "cert.o", "cert.ou",
					     "cert.uid", "count" };

	for (size_t i = 0; i < NELEM(names); i++)
		if (attr_named(a, names[i]))
			return true;
	return false;
}

static enum err add_known(struct attr_view m, struct attrs *what)
{
	struct attr a;

	while (attr_next(&m, &a)) {
		if (!is_known(&a))
			continue;
		a.len = MIN(a.len, (uint32_t)REFUSALS_VALUE);
		TRY(attrs_add_attr(what, &a));
	}
	return OK;
}

enum err refusals_format(const struct refusals *r, struct attr_view m,
			 struct attrs *what)
{
	TRY(attrs_add_str(what, "event", "refused"));
	TRY(add_known(m, what));
	return r->held ? attrs_add_u64(what, "held", r->held) : OK;
}

enum err refusals_format_unchecked(struct attr_view m, struct attrs *what)
{
	TRY(attrs_add_str(what, "event", "unchecked"));
	return add_known(m, what);
}

static void record(struct attr_view what, struct audit_link *log)
{
	struct fault f;

	if (audit_link_is_open(log) &&
	    audit_link_record(log, what, 0, NULL, &f) != OK)
		log_text(LOG_ERR, "unrecorded", "%s", f.text);
}

static void say(struct attr_view what)
{
	struct attr first;

	/* the log line says event= by itself */
	(void)attr_next(&what, &first);
	log_event(LOG_WARN, "refused", what);
}

void refusals_take(struct refusals *r, struct audit_link *log, uint64_t boot,
		   const struct msg *m)
{
	bool unchecked = m->kind == DC_UNCHECKED;
	AUTO(attrs_wipe) struct attrs what = { 0 };

	attrs_init(&what);
	if (unchecked && refusals_format_unchecked(m->attrs, &what) == OK)
		record(attrs_view(&what), log);
	if (unchecked || !refusals_may(r, boot))
		return;
	if (refusals_format(r, m->attrs, &what) == OK) {
		say(attrs_view(&what));
		record(attrs_view(&what), log);
	}
	r->held = 0;
}
