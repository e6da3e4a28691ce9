/* The core's answer to grant.list, and a grant on record. Used by vault and keeper; holds
 * nothing. */
#include "lib/grant_call.h"

void grants_list(const struct call *c, const struct grant_set *set,
		 bool (*about)(const struct grant *g, const char *what),
		 const char *what)
{
	struct attrs item, reply;

	attrs_init(&item);
	attrs_init(&reply);
	for (size_t i = 0; i < grant_set_count(set); i++) {
		const struct grant *g = grant_set_at(set, i);

		if (about && !about(g, what))
			continue;
		attrs_clear(&item);
		ENSURE(attrs_add_u64(&item, "id", g->id) == OK);
		ENSURE(attrs_add(&item, "grant", 0, g->text.p, g->text.len) ==
		       OK);
		call_item(c, attrs_view(&item));
	}
	call_reply(c, &reply);
	attrs_wipe(&item);
	attrs_wipe(&reply);
}

enum err grant_add_limits(struct attrs *to, struct attr_view grant)
{
	AUTO(buf_wipe) struct buf line = { 0 };

	buf_init(&line, 4 * GRANT_BYTES_MAX);
	TRY(attr_format_text(grant, &line));
	return attrs_add(to, "limits", 0, line.p, line.len);
}
