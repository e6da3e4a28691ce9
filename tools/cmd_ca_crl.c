#include "tools/ca.h"
int ca_crl_run(struct cli *cli)
{
	return cli_words(cli, 0);
}
