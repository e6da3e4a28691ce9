/* Sanitizer variant of confinement: a forbidden system call fails with EPERM, so
 * that a report can still be written, and memory is not limited, because shadow
 * memory takes terabytes of address space. `status` says so. */
#include "lib/confine.h"

#include "lib/attr.h"

#include <errno.h>
#include <seccomp.h>

/* Looking for leaks takes ptrace and threads, which a confined process lacks. */
static bool confined;

int __lsan_is_turned_off(void);

int __lsan_is_turned_off(void)
{
	return confined;
}

uint32_t confine_variant_action(void)
{
	return SCMP_ACT_ERRNO(EPERM);
}

bool confine_variant_limits(void)
{
	return false;
}

const char *confine_variant_name(void)
{
	return "sanitizer";
}

enum err confine_variant_weaker(struct attrs *out)
{
	return attrs_add_str(out, "weaker",
			     "all: built as 'sanitizer': system calls are "
			     "refused, not killed for, and memory is not "
			     "bounded");
}

void confine_variant_begin(void)
{
	confined = true;
}
