/* gate: clients by TLS. Not here yet: nobody is let in. */
#include "lib/api.h"

enum err api_remote_open(const struct msg *start, struct fault *f)
{
	(void)start;
	return gate_port_tls(&api.port, SUP_FD + 1,
			     gate_conns_limit(API_FILES_BESIDE), f);
}

void api_remote_run(void)
{
}

void api_remote_verifier(int fd)
{
	fd_close(&fd);
}

bool api_remote_sup(const struct msg *m)
{
	return m->kind == SUP_CERTMGR;
}

enum api_known api_remote_admit(struct api_conn *c)
{
	(void)fault_set(&c->why, ERR_UNAUTHENTICATED,
			"a client certificate is needed here");
	return API_REFUSED;
}

void api_remote_came(struct api_conn *c)
{
	(void)c;
}

void api_remote_gone(struct api_conn *c)
{
	(void)c;
}

const char *api_remote_unready(void)
{
	return "the gate has no certificate of its own yet\n";
}
