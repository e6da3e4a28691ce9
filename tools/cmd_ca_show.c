#include "tools/ca.h"
int ca_show_run(struct cli *cli)
{
	return cli_words(cli, 0);
}
