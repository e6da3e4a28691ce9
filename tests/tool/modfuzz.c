/* Runs in fuzz targets and their replays; holds nothing. */
#include "tests/tool/modfuzz.h"

#include <string.h>

static enum cretula_result add(struct cretula_call *call, const char *name,
			       const void *value, size_t len)
{
	(void)call;
	ENSURE(attr_name_ok(name, strlen(name)));
	ENSURE(value || !len);
	return CRETULA_OK;
}

static enum cretula_result fail(struct cretula_call *call,
				enum cretula_result result, const char *fmt,
				...) PRINTF(3, 4);

static enum cretula_result fail(struct cretula_call *call,
				enum cretula_result result, const char *fmt,
				...)
{
	(void)call;
	(void)fmt;
	return result;
}

static int64_t now(const struct cretula_call *call)
{
	(void)call;
	return 1440938160;
}

const struct cretula_host modfuzz_host = { CRETULA_MODULE_ABI, add, add, fail,
					   now };

void modfuzz_add(struct modlist *l, struct attr_view v)
{
	struct attr a;
	char name[ATTR_NAME_MAX + 1];

	while (attr_next(&v, &a)) {
		memcpy(name, a.name, a.name_len);
		name[a.name_len] = 0;
		modlist_add(l, name, a.value, a.len);
	}
}
