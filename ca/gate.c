/* Gate: HTTPS and HTTP for everybody, by libmicrohttpd and GnuTLS. Holds the key of
 * its own TLS certificate and public data; a broken gate can refuse, withhold what
 * is public (which is signed), and speak in the name of any holder of a certificate,
 * since only it sees the proof of possession: within that certificate's rights.
 *	3 supervisor, 4 TLS listener, 5 plain listener
 *	supervisor -> gate	SUP_START | SUP_PEER peer=issuer + channel
 *	gate <-> issuer		enum gate_issuer_kind */
#include "ca/gate.h"

#include "ca/roles.h"
#include "lib/child.h"
#include "lib/log.h"

#include <stdlib.h>
#include <unistd.h>

enum {
	/* each connection, the same while it is being replaced; CRLs; the rest */
	FILES = 2 * GATE_CONNS + 4096 + 256,
	FILES_BESIDE = 512, /* when there are fewer: not for connections */
};

static struct chan sup;

static void issuer_came(const char *peer, const struct msg *m, int fd)
{
	(void)m;
	if (strcmp(peer, "issuer"))
		child_broken("supervisor");
	gate_issuer(fd);
}

static void open_ports(const struct msg *m)
{
	struct fault f;

	(void)m;
	if (gate_open(GATE_FD_TLS, GATE_FD_PLAIN,
		      gate_conns_limit(FILES_BESIDE), &f) == OK)
		return;
	log_text(LOG_CRIT, "not_started", "%s", f.text);
	_exit(1);
}

static void confine(struct confine_spec *spec)
{
	spec->nofile = FILES;
}

int role_ca_gate(void)
{
	static const struct child_ops ops = { .peer = issuer_came,
					      .start = open_ports,
					      .confine = confine };
	struct loop *l = loop_new();

	child_start(l, &sup, CONFINE_GATE, &ops);
	gate_begin(l);
	child_ready(&sup);
	loop_run(l);
	return 0;
}
