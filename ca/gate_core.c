/* gate: begin and end, and the channel to the issuer, whose words it takes for true
 * about everything but form. */
#include "ca/gate.h"

#include "ca/kinds.h"
#include "lib/json_attrs.h"
#include "lib/log.h"
#include "lib/secret.h"

#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct gate gate;

void gate_add(struct attrs *a, const char *name, const char *value)
{
	ENSURE(attrs_add_str(a, name, value) == OK);
}

void gate_add_u64(struct attrs *a, const char *name, uint64_t value)
{
	ENSURE(attrs_add_u64(a, name, value) == OK);
}

static struct MHD_Daemon *plain_daemon(int fd, unsigned limit)
{
	return MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
		gate_http_request, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_CONNECTION_LIMIT, limit + GATE_CONNS_SLACK,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)GATE_CONN_MEMORY,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)GATE_IDLE_S,
		MHD_OPTION_NOTIFY_CONNECTION, gate_conn_notify, &gate.plain,
		MHD_OPTION_NOTIFY_COMPLETED, gate_http_completed, NULL,
		MHD_OPTION_UNESCAPE_CALLBACK, mhd_raw_target, NULL,
		MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
}

enum err gate_open(int tls_fd, int plain_fd, unsigned limit, struct fault *f)
{
	struct MHD_Daemon *d;

	memset(&gate, 0, sizeof gate);
	/* The issuer may still work for the gate before this one: what it answers
	 * that one, and knows of its connections, must be about nobody here. */
	random_fill(&gate.next_id, sizeof gate.next_id);
	gate.next_id >>= GATE_ID_SPARE;
	/* sendfile knows no MSG_NOSIGNAL */
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return fault_set(f, ERR_INTERNAL, "cannot ignore SIGPIPE");
	json_warm_up();
	/* MHD's dates: gmtime reads the time zone's file when it first can */
	tzset();
	TRY(gate_tls_open(f));
	d = gate_tls_daemon(tls_fd, limit);
	if (!d)
		return fault_set(f, ERR_INTERNAL,
				 "libmicrohttpd does not take the TLS "
				 "listener");
	gate_port_open(&gate.tls, d, true, limit);
	d = plain_daemon(plain_fd, limit);
	if (!d)
		return fault_set(f, ERR_INTERNAL,
				 "libmicrohttpd does not take the HTTP "
				 "listener");
	gate_port_open(&gate.plain, d, false, limit);
	return OK;
}

void gate_run(struct loop *l)
{
	gate.loop = l;
	gate_call_open();
	gate_ocsp_open();
	gate_linger_open();
	gate_shake_open();
	gate_port_run(&gate.plain);
	gate_port_run(&gate.tls);
}

/* The issuer */

static void broken(void)
{
	log_text(LOG_CRIT, "broken_peer", "issuer broke the dialogue");
	_exit(1);
}

static void from_issuer(struct chan *c, const struct msg *m)
{
	int fd;

	switch ((enum gate_issuer_kind)m->kind) {
	case GI_REPLY:
		if (!gate_tls_reply(m))
			gate_call_reply(m);
		return;
	case GI_OCSP_ANSWER:
		gate_ocsp_answer(m);
		return;
	case GI_DROP:
		gate_ocsp_drop(m);
		return;
	case GI_CRL:
		fd = chan_take_fd(c);
		if (fd < 0)
			break;
		gate_crl_put(m, fd);
		return;
	case GI_CHAIN:
		gate_page_chain(m);
		return;
	case GI_PEER:
	case GI_PEER_GONE:
	case GI_CALL:
	case GI_OCSP:
	case GI_DROPPED:
	case GI_TLS:
		break;
	}
	broken();
}

static void issuer_end(struct chan *c, const struct fault *why)
{
	(void)why;
	chan_close(c);
	gate.up = false;
	gate_call_lost();
	gate_ocsp_lost();
	gate_tls_lost();
}

void gate_issuer(int fd)
{
	static const struct chan_ops ops = { from_issuer, issuer_end, NULL };

	if (gate.up)
		issuer_end(&gate.issuer, NULL);
	chan_open(&gate.issuer, gate.loop, fd, false, &ops);
	gate.up = true;
	gate.issuer_nr++;
	gate_ocsp_issuer();
	gate_tls_issuer();
}

void gate_close(void)
{
	if (gate.up)
		issuer_end(&gate.issuer, NULL);
	gate_shake_close();
	/* what the lost issuer woke is answered */
	mhd_run(&gate.plain.mhd);
	mhd_run(&gate.tls.mhd);
	mhd_close(&gate.plain.mhd);
	mhd_close(&gate.tls.mhd);
	loop_disarm(&gate.plain.slow);
	loop_disarm(&gate.tls.slow);
	loop_disarm(&gate.trim);
	gate_linger_close();
	gate_ocsp_close();
	gate_call_close();
	gate_crl_close();
	gate_page_close();
	gate_tls_close();
}
