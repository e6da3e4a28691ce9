/* Any attribute list as a request of aws-sigv4. The first byte chooses the
 * operation, the rest is the binary list. What facts refuses, run refuses too. */
#include "tests/tool/modfuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
		ENSURE(m->open(&modfuzz_host, NULL, &c, &state) == CRETULA_OK);
	return state;
}

static void request(const char *op, const struct cretula_attrs *a)
{
	const struct cretula_module *m = cretula_module();
	void *session = NULL;
	enum cretula_result facts = m->facts(&modfuzz_host, NULL, op, a);
	enum cretula_result run =
		m->run(&modfuzz_host, NULL, opened(m), op, a, &session);

	ENSURE(facts == CRETULA_OK || run == facts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct modlist l;
	struct attr_view v;

	if (!size || attr_parse(data + 1, size - 1, &v, NULL) != OK)
		return 0;
	modfuzz_add(&l, v);
	request(data[0] & 1 ? "presign" : "sign",
		&(struct cretula_attrs){ l.item, l.count });
	modlist_clear(&l);
	return 0;
}
