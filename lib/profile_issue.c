/* Who may have certificates made of a profile. Run by ca's issuer; holds nothing. */
#include "lib/profile.h"

static enum err want_held(const struct profile *p,
			  const struct capability *want,
			  const struct cert_names *have, struct fault *f)
{
	if (capability_held(have, want))
		return OK;
	return fault_set(f, ERR_DENIED,
			 "for a certificate of profile '%s' the asking one "
			 "needs the capability '%.*s:%.*s@%.*s'",
			 p->name, (int)want->verb.n, (const char *)want->verb.p,
			 (int)want->object.n, (const char *)want->object.p,
			 (int)want->scope.n, (const char *)want->scope.p);
}

static enum err passes_on(const struct profile *p, const char *template,
			  struct span node, const struct cert_names *have,
			  struct fault *f)
{
	char room[CAP_MAX + 1];
	struct capability c;
	struct span text;

	if (capability_fill(span_str(template), node, room, &text) != OK)
		return fault_set(f, ERR_INVALID,
				 "capability '%s' of profile '%s' is too long "
				 "for this node",
				 template, p->name);
	TRY(capability_parse(text, false, &c, f));
	if (capability_delegates(&c) && !p->may_delegate)
		return fault_set(f, ERR_DENIED,
				 "profile '%s' has the capability '%s' but not "
				 "may_delegate=yes: only the CA's own people "
				 "issue it, by a token",
				 p->name, template);
	return want_held(p, &c, have, f);
}

enum err profile_may_issue(const struct profile *p, struct span node,
			   const struct cert_names *have, struct fault *f)
{
	struct capability issue = { .verb = span_str("issue"),
				    .object = span_str(p->name),
				    .scope = node };

	if (p->kind == PROFILE_TLS || p->kind == PROFILE_OCSP)
		return fault_set(f, ERR_DENIED, "profile '%s' is the CA's own",
				 p->name);
	TRY(want_held(p, &issue, have, f));
	for (unsigned i = 0; i < p->n_caps; i++)
		TRY(passes_on(p, p->cap[i], node, have, f));
	return OK;
}
