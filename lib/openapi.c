/* gate: the descriptions, as they are in the repository. Holds public text. The Makefile
 * says what this file depends on. */
#include "lib/openapi.h"

#include <string.h>

#define EMBED(name, file)                                                      \
	__asm__(".pushsection .rodata\n"                                       \
		".global openapi_" name ", openapi_" name "_end\n"             \
		".hidden openapi_" name ", openapi_" name "_end\n"             \
		"openapi_" name ":\n"                                          \
		".incbin \"" file "\"\n"                                       \
		"openapi_" name "_end:\n"                                      \
		".byte 0\n"                                                    \
		".popsection\n")

EMBED("ca", "docs/openapi/ca.json");
EMBED("certmgr", "docs/openapi/certmgr.json");
EMBED("credd", "docs/openapi/credd.json");

extern const char openapi_ca[], openapi_ca_end[];
extern const char openapi_certmgr[], openapi_certmgr_end[];
extern const char openapi_credd[], openapi_credd_end[];

static const struct {
	const char *daemon, *begin, *end;
} all[] = {
	{ "ca", openapi_ca, openapi_ca_end },
	{ "certmgr", openapi_certmgr, openapi_certmgr_end },
	{ "credd", openapi_credd, openapi_credd_end },
};

struct span openapi_of(const char *daemon)
{
	size_t i = 0;

	while (i < NELEM(all) && strcmp(all[i].daemon, daemon))
		i++;
	ENSURE(i < NELEM(all));
	return span_of(all[i].begin, (size_t)((uintptr_t)all[i].end -
					      (uintptr_t)all[i].begin));
}
