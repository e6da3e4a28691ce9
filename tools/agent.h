/* The verbs of agents: `cretula agent …`. */
#ifndef TOOLS_AGENT_H
#define TOOLS_AGENT_H

#include "tools/cli.h"

/* Calls certmgr over admin.sock, or where that may not be used or is not there, over
 * api.sock, which shows the caller's own agents. As cli_ask. */
int agent_ask(struct cli *cli, const char *verb, struct attr_view args,
	      struct cretula_answer **answer);

/* An answer as people see it: times as text, the certificate as PEM, without the id of
 * the request. An exit code. */
int agent_print(const struct cli *cli, struct attr_view v);

/* tools/cmd_agent_run.c, _claim.c */
int agent_run_run(struct cli *cli);
int agent_claim_run(struct cli *cli);

#endif
