/* Configuration files. */
#include "lib/conf.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct conf_decl decls[] = {
	{ "state", CONF_PATH, "/var/lib/x", 0, 0 },
	{ "quota", CONF_SIZE, "16M", 1024, 1ull << 30 },
	{ "age", CONF_DURATION, "60s", 1, 86400 },
	{ "workers", CONF_NUMBER, "8", 1, 64 },
	{ "durable", CONF_BOOL, "no", 0, 0 },
	{ "listen", CONF_LIST, NULL, 0, 0 },
	{ "text", CONF_TEXT, NULL, 0, 0 },
	{ NULL, CONF_TEXT, NULL, 0, 0 },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(attrs_wipe) struct attrs out = { 0 };
	AUTO(mem_free) char *text = NULL;
	struct fault f = { .code = OK };

	attrs_init(&out);
	if (conf_check_text((const char *)data, size, "file", decls, &out,
			    &f) != OK) {
		ENSURE(f.text[0]);
		return 0;
	}
	ENSURE(conf_u64(attrs_view(&out), "quota") >= 1024);
	ENSURE(conf_u64(attrs_view(&out), "workers") <= 64);
	(void)conf_bool(attrs_view(&out), "durable");
	text = conf_str(attrs_view(&out), "text");
	return 0;
}
