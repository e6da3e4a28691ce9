/* Any template and any request of hmac. The bytes are two binary lists, the length
 * of the first before it as u16: what the credential says beside its key, and the
 * request. Whatever open refuses is not run. */
#include "lib/rd.h"
#include "tests/tool/modfuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct modlist *c, const struct modlist *r)
{
	const struct cretula_module *m = cretula_module();
	const struct cretula_attrs credential = { c->item, c->count };
	const struct cretula_attrs request = { r->item, r->count };
	void *state = NULL, *session = NULL;

	(void)m->facts(&modfuzz_host, NULL, "sign", &request);
	if (m->open(&modfuzz_host, NULL, &credential, &state) != CRETULA_OK)
		return;
	(void)m->run(&modfuzz_host, NULL, state, "sign", &request, &session);
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
	modfuzz_add(&credential, first);
	modfuzz_add(&request, second);
	use(&credential, &request);
	modlist_clear(&credential);
	modlist_clear(&request);
	return 0;
}
