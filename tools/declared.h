/* What a module declares about a credential's attributes, as module.list tells. */
#ifndef TOOLS_DECLARED_H
#define TOOLS_DECLARED_H

#include "tools/cli.h"

/* The declaration of module, borrowed from *answer (to be freed). 0 or an exit
 * code, said. */
int declared_find(struct cli *cli, const char *module,
		  struct cretula_answer **answer, struct attr_view *decl);

/* enum cretula_attr_kind of attribute name; false if there is no such one. */
bool declared_kind(struct attr_view decl, const char *name, unsigned *kind);

/* Steps through the declared attributes' names and kinds: *it starts as decl. */
bool declared_next(struct attr_view *it, char name[ATTR_NAME_MAX + 1],
		   unsigned *kind);

#endif
