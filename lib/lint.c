/* Run by ca's signer before each signature, and by issuer to refuse earlier; holds
 * nothing. */
#include "lib/lint.h"

#include "lib/lint_cert.h"

#define LINT_NAME(fn, name, source)  { name, source },
#define LINT_CHECK(fn, name, source) lint_##fn,

const struct lint_rule lint_rules[] = { LINT_RULES(LINT_NAME){ NULL, NULL } };

static enum err (*const lint_checks[])(const struct lint_cert *c,
				       struct fault *why) = {
	LINT_RULES(LINT_CHECK)
};

_Static_assert(NELEM(lint_rules) == NELEM(lint_checks) + 1, "one table");

enum err lint_tbs(struct span tbs, const struct lint_issuer *issuer,
		  struct fault *f)
{
	struct fault why = { .code = OK };
	struct lint_cert c;

	lint_read(tbs, issuer, &c);
	for (size_t i = 0; i < NELEM(lint_checks); i++)
		if (lint_checks[i](&c, &why) != OK)
			return fault_set(f, ERR_INVALID, "rule %s (%s): %s",
					 lint_rules[i].name,
					 lint_rules[i].source, why.text);
	return OK;
}
