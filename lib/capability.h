/* Capabilities: verb:object@scope, as certificates carry them (formats.md). object and
 * scope may be `*`; scope is otherwise a node or a group; in a profile's templates
 * `{node}` in the scope stands for the node of the agent. */
#ifndef LIB_CAPABILITY_H
#define LIB_CAPABILITY_H

#include "lib/cert.h"

enum {
	CAP_MAX = 128 /* bytes of one */
};

struct capability {
	struct span verb, object, scope;
};

/* verb [a-z]+, object and scope [A-Za-z0-9._-]+ or `*`; the scope of a template may
 * be {node}. ERR_INVALID with the reason. */
MUST enum err capability_parse(struct span text, bool template,
			       struct capability *c, struct fault *f);

/* True if who holds `have` may pass on `want`: the same verb; object and scope equal
 * or `*` in have. */
bool capability_covers(const struct capability *have,
		       const struct capability *want);
/* True if one of `have` covers want. */
bool capability_held(const struct cert_names *have,
		     const struct capability *want);

/* verbs that make a profile need may_delegate: admin, issue */
bool capability_delegates(const struct capability *c);

/* The template with the node filled in, written to room (CAP_MAX bytes). */
MUST enum err capability_fill(struct span template, struct span node,
			      char room[CAP_MAX + 1], struct span *out);

/* Sorts them bytewise (a beginning before what goes on) and drops duplicates. */
void capabilities_sort(struct cert_names *caps);

/* The extension's value: SEQUENCE SIZE(1..32) OF UTF8String, sorted bytewise, no
 * duplicates, each one that capability_parse takes; ERR_INVALID otherwise, both ways. */
MUST enum err capabilities_put(struct buf *b, const struct cert_names *caps);
MUST enum err capabilities_get(struct rd *r, struct cert_names *caps);

#endif
