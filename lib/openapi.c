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

EMBED("credd", "docs/openapi/credd.json");
EMBED("certmgr", "docs/openapi/certmgr.json");

extern const char openapi_credd[], openapi_credd_end[];
extern const char openapi_certmgr[], openapi_certmgr_end[];

struct span openapi_of(const char *daemon)
{
	bool credd = !strcmp(daemon, "credd");
	const char *p = credd ? openapi_credd : openapi_certmgr;
	const char *end = credd ? openapi_credd_end : openapi_certmgr_end;

	ENSURE(credd || !strcmp(daemon, "certmgr"));
	return span_of(p, (size_t)((uintptr_t)end - (uintptr_t)p));
}
