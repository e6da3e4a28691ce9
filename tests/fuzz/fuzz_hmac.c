/* Any template and any request of hmac. The bytes are two binary lists, the length
 * of the first before it as u16: what the credential says beside its key, and the
 * request. Whatever open refuses is not run. */
#include "lib/rd.h"
#include "tests/tool/modhost.h"

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

static void add_all(struct modlist *l, struct attr_view v)
{
	struct attr a;
	char name[ATTR_NAME_MAX + 1];

	while (attr_next(&v, &a)) {
		__builtin_memcpy(name, a.name, a.name_len);
		name[a.name_len] = 0;
		modlist_add(l, name, a.value, a.len);
	}
}

static void use(const struct modlist *c, const struct modlist *r)
{
	const struct cretula_module *m = cretula_module();
	const struct cretula_attrs credential = { c->item, c->count };
	const struct cretula_attrs request = { r->item, r->count };
	void *state = NULL, *session = NULL;

	(void)m->facts(&host, NULL, "sign", &request);
	if (m->open(&host, NULL, &credential, &state) != CRETULA_OK)
		return;
	(void)m->run(&host, NULL, state, "sign", &request, &session);
	m->close(state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct modlist credential, request;
	struct rd in = rd_from(data, size);
	struct attr_view first, second;
	const uint8_t *p;
	uint16_t n;

	if (rd_u16(&in, &n) != OK || rd_bytes(&in, n, &p) != OK ||
	    attr_parse(p, n, &first, NULL) != OK ||
	    attr_parse(in.p, rd_left(&in), &second, NULL) != OK)
		return 0;
	modlist_add(&credential, "key", "secret", 6);
	add_all(&credential, first);
	add_all(&request, second);
	use(&credential, &request);
	modlist_clear(&credential);
	modlist_clear(&request);
	return 0;
}
