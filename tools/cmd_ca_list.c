#include "tools/ca.h"
int ca_list_run(struct cli *cli)
{
	return cli_words(cli, 0);
}
int ca_status_run(struct cli *cli)
{
	return cli_words(cli, 0);
}
