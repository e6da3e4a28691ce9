/* Release variant of confinement: a forbidden system call ends the process, and
 * memory is limited. Its twin is confine_san.c. */
#include "lib/confine.h"

#include "lib/attr.h"

#include <seccomp.h>

uint32_t confine_variant_action(void)
{
	return SCMP_ACT_KILL_PROCESS;
}

bool confine_variant_limits(void)
{
	return true;
}

const char *confine_variant_name(void)
{
	return "release";
}

enum err confine_variant_weaker(struct attrs *out)
{
	(void)out;
	return OK;
}

void confine_variant_begin(void)
{
}
