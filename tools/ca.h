/* The verbs of ca: `cretula ca …`. */
#ifndef TOOLS_CA_H
#define TOOLS_CA_H

#include "tools/cli.h"

#include "lib/cert.h"
#include "lib/serial.h"

/* As cli_ask, to ca. */
int ca_ask(struct cli *cli, bool admin, const char *verb, struct attr_view args,
	   const struct attrs *box, struct cretula_answer **answer);

/* One of ca's certificates in a reply: DER, borrowed. 0 or an exit code, said. */
int ca_cert_of(const struct cretula_answer *answer, const char *name,
	       struct span *der);
/* Prints it as PEM. An exit code. */
int ca_print_pem(const char *label, struct span der);

/* A serial as people write it; 0 or an exit code, said. */
int ca_serial(const struct cli *cli, const char *word, struct serial *s);

/* A certificate, parsed. It points into der and into itself. */
MUST enum err ca_cert_parse(struct span der, struct cert *c, struct fault *f);

/* tools/cmd_ca_make.c, _look.c, _revoke.c, _profile.c, _crl.c, _enrol.c; status is
 * tools/cmd_status.c's */
int ca_init_run(struct cli *cli);
int ca_token_run(struct cli *cli);
int ca_root_run(struct cli *cli);
int ca_list_run(struct cli *cli);
int ca_show_run(struct cli *cli);
int ca_revoke_run(struct cli *cli);
int ca_profile_run(struct cli *cli);
int ca_crl_run(struct cli *cli);
int ca_enrol_run(struct cli *cli);
int ca_status_run(struct cli *cli);

#endif
