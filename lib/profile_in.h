/* What the files of lib/profile_*.c have in common; nobody else includes it. */
#ifndef LIB_PROFILE_IN_H
#define LIB_PROFILE_IN_H

#include "lib/profile.h"

/* Everything of a certificate but notBefore and notAfter (0): what profile_fill signs
 * and profile_check compares with. w's times are not looked at. */
MUST enum err profile_make(const struct profile *p, const struct ca_scope *s,
			   const struct wish *w, struct profile_room *room,
			   struct cert *out, struct fault *f);

/* One pattern of dns=, as a file has it. */
MUST enum err profile_pattern_check(struct span pattern, struct fault *f);

/* A name that is asked for: may an agent of that id and node have it? */
MUST enum err profile_dns_check(const struct profile *p,
				const struct ca_scope *s, const struct wish *w,
				struct span name, struct fault *f);
MUST enum err profile_uri_check(const struct profile *p, const struct wish *w,
				struct span uri, struct fault *f);

/* True if name is <agent>.<node>. */
bool profile_own_name(const struct wish *w, struct span name);
/* True if uri is spiffe://<trust-domain>/<type>/<agent>. */
bool profile_own_spiffe(const struct profile *p, const struct ca_scope *s,
			const struct wish *w, struct span uri);

#endif
