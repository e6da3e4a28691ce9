/* front, gate: the form of calls. Holds nothing. */
#include "lib/call_check.h"

static enum err check_plain(struct attr_view v, struct fault *f)
{
	struct attr a;

	while (attr_next(&v, &a))
		if (a.flags & ATTR_CONFIDENTIAL)
			return fault_set(
				f, ERR_INVALID,
				"the confidential value of '%.*s' came "
				"bare: seal it to the key in "
				"transport.pub and send it as box",
				a.name_len, a.name);
	return OK;
}

enum err call_check(struct attr_view call, struct fault *f)
{
	static const char *const lists[] = { "request", "attributes", "grant",
					     "subject" };
	struct attr_view it = call, inner;
	struct attr a;

	TRY(check_plain(call, f));
	while (attr_next(&it, &a)) {
		for (size_t i = 0; i < NELEM(lists); i++) {
			if (!attr_named(&a, lists[i]))
				continue;
			TRY(attr_parse(a.value, a.len, &inner, f));
			TRY(check_plain(inner, f));
		}
	}
	return OK;
}
