/* Used by vault and keeper; holds nothing. */
#include "lib/remote_status.h"

static enum err copy(struct attr_view start, const char *name, const char *as,
		     struct attrs *out)
{
	struct attr a;

	if (!attr_find(start, name, &a))
		return OK;
	return attrs_add(out, as, 0, a.value, a.len);
}

enum err remote_status(struct attr_view start, const struct refusals *r,
		       struct attrs *out)
{
	struct attr_view it = start;
	struct attr a;

	while (attr_next(&it, &a))
		if (attr_named(&a, "remote_admin"))
			TRY(attrs_add_attr(out, &a));
	if (!attr_find(start, "https", &a))
		return OK;
	TRY(attrs_add_attr(out, &a));
	TRY(copy(start, "gate_uid", "gate_uid", out));
	TRY(copy(start, "revocation", "revocation", out));
	TRY(copy(start, "max_age", "revocation_max_age", out));
	TRY(copy(start, "fail", "revocation_fail", out));
	return attrs_add_u64(out, "remote_refused", r->total);
}

enum err remote_status_attention(const char *why, struct attrs *out)
{
	if (!why[0])
		return OK;
	return attrs_add_fmt(out, "attention",
			     "nobody is served over the network, as the gate "
			     "has no certificate: %s",
			     why);
}

enum err remote_status_weaker(struct attr_view start, const char *core,
			      struct attrs *out)
{
	struct attr_view it = start;
	struct attr a;

	if (!attr_find(start, "https", &a))
		return OK;
	if (attr_find(start, "fail", &a) && attr_is(&a, "open"))
		TRY(attrs_add_str(out, "weaker",
				  "verifier: revocation_fail=open: while the "
				  "CA cannot be asked, revoked certificates "
				  "are let in"));
	while (attr_next(&it, &a))
		if (attr_named(&a, "remote_admin"))
			TRY(attrs_add_fmt(out, "weaker",
					  "%s: remote_admin=%.*s: admins do "
					  "that over the network",
					  core, (int)a.len,
					  (const char *)a.value));
	return OK;
}
