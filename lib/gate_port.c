/* gate: its ports, begin and end. Holds the listeners. */
#include "lib/gate_part.h"

#include "lib/clock.h"
#include "lib/secret.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	OPTIONS = 8
};

struct gate gate;

enum err gate_init(const struct gate_ops *ops, struct fault *f)
{
	ENSURE(ops->conn_size >= sizeof(struct gate_conn));
	memset(&gate, 0, sizeof gate);
	gate.ops = ops;
	/* Who does the work may still do some for the gate before this one: what he
	 * answers that one, and knows of its connections, must be about nobody here. */
	random_fill(&gate.next_id, sizeof gate.next_id);
	gate.next_id >>= GATE_ID_SPARE;
	/* MHD's dates: gmtime reads the time zone's file when it first can */
	tzset();
	/* sendfile knows no MSG_NOSIGNAL */
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return fault_set(f, ERR_INTERNAL, "cannot ignore SIGPIPE");
	return OK;
}

static void common_options(struct MHD_OptionItem o[OPTIONS],
			   struct gate_port *p, unsigned limit)
{
	const struct MHD_OptionItem all[OPTIONS] = {
		{ MHD_OPTION_CONNECTION_LIMIT, limit + GATE_CONNS_SLACK, NULL },
		{ MHD_OPTION_CONNECTION_MEMORY_LIMIT, GATE_CONN_MEMORY, NULL },
		{ MHD_OPTION_CONNECTION_TIMEOUT, GATE_IDLE_S, NULL },
		{ MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)gate_conn_notify, p },
		{ MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)gate_http_completed,
		  NULL },
		{ MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)mhd_raw_target,
		  NULL },
		{ MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, NULL },
		{ MHD_OPTION_END, 0, NULL },
	};

	memcpy(o, all, sizeof all);
}

static enum err port_open(struct gate_port *p, struct MHD_Daemon *d,
			  enum gate_port_kind kind, unsigned limit,
			  struct fault *f)
{
	if (!d)
		return fault_set(f, ERR_INTERNAL,
				 "libmicrohttpd does not take a port");
	*p = (struct gate_port){ .kind = kind,
				 .limit = limit,
				 .request_ns = GATE_REQUEST_S * CLOCK_SECOND,
				 .next = gate.ports };
	p->slow.on = gate_conn_slow;
	mhd_init(&p->mhd, d);
	if (kind == GATE_TLS)
		p->mhd.after = gate_shake_aside;
	gate.ports = p;
	return OK;
}

enum err gate_port_plain(struct gate_port *p, int fd, unsigned limit,
			 struct fault *f)
{
	struct MHD_OptionItem common[OPTIONS];

	common_options(common, p, limit);
	return port_open(
		p,
		MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0,
				 NULL, NULL, gate_http_request, NULL,
				 MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_ARRAY,
				 common, MHD_OPTION_END),
		GATE_PLAIN, limit, f);
}

enum err gate_port_tls(struct gate_port *p, int fd, unsigned limit,
		       struct fault *f)
{
	struct MHD_OptionItem common[OPTIONS];

	common_options(common, p, limit);
	return port_open(p, gate_tls_daemon(fd, common), GATE_TLS, limit, f);
}

enum err gate_port_handed(struct gate_port *p, unsigned limit, struct fault *f)
{
	struct MHD_OptionItem common[OPTIONS];

	common_options(common, p, limit);
	return port_open(
		p,
		MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME |
					 MHD_USE_NO_LISTEN_SOCKET,
				 0, NULL, NULL, gate_http_request, NULL,
				 MHD_OPTION_ARRAY, common, MHD_OPTION_END),
		GATE_HANDED, limit, f);
}

/* MHD closes fd, also if it does not take it. */
enum err gate_port_hand(struct gate_port *p, int fd, uint64_t id)
{
	const struct sockaddr at = { .sa_family = AF_UNIX };

	ENSURE(p->kind == GATE_HANDED && p->mhd.loop);
	p->handed = id;
	if (MHD_add_connection(p->mhd.daemon, fd, &at,
			       offsetof(struct sockaddr, sa_data)) != MHD_YES)
		return ERR_UNAVAILABLE;
	mhd_wake(&p->mhd);
	return OK;
}

unsigned gate_conns_limit(unsigned beside)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) ||
	    l.rlim_max >= 2 * (rlim_t)GATE_CONNS + beside)
		return GATE_CONNS;
	if (l.rlim_max < 2 * (rlim_t)beside)
		return beside / 4;
	return (unsigned)(l.rlim_max - beside) / 2;
}

void gate_run(struct loop *l)
{
	gate.loop = l;
	gate_linger_open();
	gate_shake_open();
	for (struct gate_port *p = gate.ports; p; p = p->next)
		mhd_watch(&p->mhd, l);
}

void gate_turn(void)
{
	for (struct gate_port *p = gate.ports; p; p = p->next)
		mhd_run(&p->mhd);
}

void gate_close(void)
{
	gate_shake_close();
	gate_turn();
	for (struct gate_port *p = gate.ports; p; p = p->next) {
		mhd_close(&p->mhd);
		loop_disarm(&p->slow);
	}
	loop_disarm(&gate.trim);
	gate.ports = NULL;
	gate_linger_close();
	gate_tls_close();
}
