/* Reading the audit log, for the verbs that do. */
#ifndef TOOLS_AUDIT_H
#define TOOLS_AUDIT_H

#include "tools/cli.h"

/* Calls on for each page of records from record `from` on, at most count in all,
 * until it returns other than 0. 0 or an exit code. */
int audit_pages(struct cli *cli, uint64_t from, uint64_t count,
		int (*on)(void *arg, const struct cretula_answer *page),
		void *arg);

/* tools/cmd_audit_verify.c */
int audit_verify_run(struct cli *cli);

#endif
