/* Which attributes of a credential are confidential: the module says, not the
 * caller's spelling. Runs in cretula; holds nothing. */
#include "tools/declared.h"

#include <stdlib.h>
#include <string.h>

static bool is_module(const struct cretula_list *item, const char *module)
{
	struct attr a;

	return attr_find(attrs_view(&item->a), "name", &a) &&
	       attr_is(&a, module);
}

int declared_find(struct cli *cli, const char *module,
		  struct cretula_answer **answer, struct attr_view *decl)
{
	struct attr_view none = { 0 };
	struct attr a;
	int rc = cli_ask(cli, true, "module.list", none, NULL, answer);

	if (rc)
		return rc;
	for (unsigned i = 0; i < (*answer)->count; i++) {
		struct cretula_list *item = &(*answer)->item[i];

		if (!is_module(item, module))
			continue;
		if (attr_find(attrs_view(&item->a), "declaration", &a) &&
		    attr_parse(a.value, a.len, decl, NULL) == OK)
			return 0;
	}
	cli_say("there is no module '%s': see 'cretula module list'", module);
	return err_exit(ERR_NOT_FOUND);
}

bool declared_next(struct attr_view *it, char name[ATTR_NAME_MAX + 1],
		   unsigned *kind)
{
	struct attr_view one;
	struct attr a, n, k;
	uint64_t bits;

	while (attr_next(it, &a)) {
		if (!attr_named(&a, "attribute") ||
		    attr_parse(a.value, a.len, &one, NULL) != OK ||
		    !attr_find(one, "name", &n) || n.len > ATTR_NAME_MAX ||
		    !attr_find(one, "kind", &k) ||
		    attr_u64(&k, UINT16_MAX, &bits) != OK)
			continue;
		memcpy(name, n.value, n.len);
		name[n.len] = '\0';
		*kind = (unsigned)bits;
		return true;
	}
	return false;
}

bool declared_kind(struct attr_view decl, const char *name, unsigned *kind)
{
	char one[ATTR_NAME_MAX + 1];

	while (declared_next(&decl, one, kind))
		if (!strcmp(one, name))
			return true;
	return false;
}
