/* What the fuzz targets of modules share: a host that keeps nothing but checks what a
 * module gives it, and lists made of fuzzed bytes. */
#ifndef TESTS_TOOL_MODFUZZ_H
#define TESTS_TOOL_MODFUZZ_H

#include "tests/tool/modhost.h"

extern const struct cretula_host modfuzz_host;

/* Appends every attribute of v. */
void modfuzz_add(struct modlist *l, struct attr_view v);

#endif
