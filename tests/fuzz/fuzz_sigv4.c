/* Any attribute list as a request of aws-sigv4. The first byte chooses the
 * operation, the rest is the binary list. What facts refuses, run refuses too. */
#include "tests/tool/modhost.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum cretula_result add(struct cretula_call *call, const char *name,
			       const void *value, size_t len)
{
	(void)call;
	ENSURE(attr_name_ok(name, __builtin_strlen(name)));
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

static const struct cretula_host host = { CRETULA_MODULE_ABI, add, add, fail,
					  now };

static void *opened(const struct cretula_module *m)
{
	static const struct cretula_attr item[] = {
		{ "access_key", (const unsigned char *)"AKID", 4 },
		{ "secret_key", (const unsigned char *)"secret", 6 },
		{ "session_token", (const unsigned char *)"a/b+c=", 6 },
	};
	const struct cretula_attrs c = { item, NELEM(item) };
	static void *state;

	if (!state)
		ENSURE(m->open(&host, NULL, &c, &state) == CRETULA_OK);
	return state;
}

static void request(const char *op, const struct cretula_attrs *a)
{
	const struct cretula_module *m = cretula_module();
	void *session = NULL;
	enum cretula_result facts = m->facts(&host, NULL, op, a);
	enum cretula_result run =
		m->run(&host, NULL, opened(m), op, a, &session);

	ENSURE(facts == CRETULA_OK || run == facts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct modlist l;
	struct attr_view v;
	struct attr a;
	char name[ATTR_NAME_MAX + 1];

	if (!size || attr_parse(data + 1, size - 1, &v, NULL) != OK)
		return 0;
	while (attr_next(&v, &a)) {
		__builtin_memcpy(name, a.name, a.name_len);
		name[a.name_len] = 0;
		modlist_add(&l, name, a.value, a.len);
	}
	request(data[0] & 1 ? "presign" : "sign",
		&(struct cretula_attrs){ l.item, l.count });
	modlist_clear(&l);
	return 0;
}
