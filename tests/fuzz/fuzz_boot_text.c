/* What bootstrap sources say: the first byte chooses the form. Whatever comes, what is
 * taken says something, and what is refused leaves nothing and has a sentence that has not
 * the token. */
#include "certmgr/net_boot.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum err (*const parse[])(struct span, struct boot *,
				  struct fault *) = { boot_parse_file,
						      boot_parse_cmdline,
						      boot_parse_user_data };
	AUTO(boot_wipe) struct boot b = { 0 };
	struct fault f = { 0 };
	struct span text;
	char url[BOOT_URL];
	uint8_t hash[BOOT_HASH];
	enum err e;

	if (!size || size > BOOT_TEXT_MAX)
		return 0;
	text = span_of(data + 1, size - 1);
	e = parse[data[0] % NELEM(parse)](text, &b, &f);
	ENSURE(e != OK || b.token.seed || b.ca[0] || b.has_hash || b.node[0] ||
	       b.endpoint[0]);
	ENSURE(e == OK || (f.code == e && f.text[0] && !b.token.seed));
	if (boot_parse_txt(text, url, &f) == OK)
		ENSURE(!strncmp(url, "https://", 8));
	(void)!boot_parse_hash(text, hash, &f);
	return 0;
}
