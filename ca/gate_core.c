/* gate: its routes, begin and end, and the channel to the issuer, whose words it takes for true
 * about everything but form. */
#include "ca/gate.h"

#include "ca/kinds.h"
#include "lib/gate_openapi.h"
#include "lib/json_attrs.h"
#include "lib/log.h"
#include "lib/ocsp.h"

#include <string.h>
#include <unistd.h>

struct ca_gate ca_gate;

void gate_add(struct attrs *a, const char *name, const char *value)
{
	ENSURE(attrs_add_str(a, name, value) == OK);
}

void gate_add_u64(struct attrs *a, const char *name, uint64_t value)
{
	ENSURE(attrs_add_u64(a, name, value) == OK);
}

#define JSON_TYPE "application/json"

enum {
	CALL_BODY_MAX = 64 << 10,  /* of JSON */
	VERB_BODY_MAX = 256 << 10, /* … of any verb */
};

static const struct gate_route routes[] = {
	/* the ones that are asked most first */
	{ .path = "/ocsp/**",
	  .methods = GATE_GET | GATE_POST,
	  .body_max = OCSP_REQUEST_MAX,
	  .type = "application/ocsp-request",
	  .run = gate_ocsp_run },
	{ .path = "/ocsp",
	  .methods = GATE_GET | GATE_POST,
	  .body_max = OCSP_REQUEST_MAX,
	  .type = "application/ocsp-request",
	  .run = gate_ocsp_run },
	{ .path = "/v1/certificates",
	  .ports = GATE_TLS,
	  .methods = GATE_POST,
	  .body_max = CALL_BODY_MAX,
	  .type = JSON_TYPE,
	  .verb = "issue",
	  .run = gate_call_run },
	{ .path = "/v1/certificates/renew",
	  .ports = GATE_TLS,
	  .methods = GATE_POST,
	  .body_max = CALL_BODY_MAX,
	  .type = JSON_TYPE,
	  .verb = "renew",
	  .run = gate_call_run },
	{ .path = "/v1/certificates/**/revoke",
	  .ports = GATE_TLS,
	  .methods = GATE_POST,
	  .body_max = CALL_BODY_MAX,
	  .type = JSON_TYPE,
	  .verb = "revoke",
	  .run = gate_call_run },
	{ .path = "/v1/certificates/**",
	  .ports = GATE_TLS,
	  .methods = GATE_GET,
	  .verb = "show",
	  .run = gate_call_run },
	{ .path = "/v1/verbs/*",
	  .ports = GATE_TLS,
	  .methods = GATE_POST,
	  .body_max = VERB_BODY_MAX,
	  .type = JSON_TYPE,
	  .verb = "call",
	  .run = gate_call_run },
	{ .path = "/v1/enrol",
	  .ports = GATE_TLS,
	  .methods = GATE_POST,
	  .body_max = CALL_BODY_MAX,
	  .type = JSON_TYPE,
	  .verb = "enrol",
	  .run = gate_call_run },
	{ .path = "/v1/ca",
	  .ports = GATE_TLS,
	  .methods = GATE_GET,
	  .verb = "status",
	  .run = gate_call_ca },
	{ .path = "/crl", .methods = GATE_GET, .run = gate_crl_run },
	{ .path = "/crl/**", .methods = GATE_GET, .run = gate_crl_run },
	{ .path = "/issuer.pem", .methods = GATE_GET, .run = gate_page_cert },
	{ .path = "/issuer.der", .methods = GATE_GET, .run = gate_page_cert },
	{ .path = "/root.pem", .methods = GATE_GET, .run = gate_page_cert },
	{ .path = "/root.der", .methods = GATE_GET, .run = gate_page_cert },
	{ .path = "/root.crl", .methods = GATE_GET, .run = gate_page_cert },
	{ .path = "/healthz", .methods = GATE_GET, .run = gate_page_health },
	{ .path = "/readyz", .methods = GATE_GET, .run = gate_page_health },
	{ .path = "/openapi.json",
	  .methods = GATE_GET,
	  .run = gate_openapi_run },
	{ .path = "/metrics",
	  .ports = GATE_TLS,
	  .methods = GATE_GET,
	  .run = gate_page_metrics },
};

/* A request's client is gone, or it is answered. */
static void forget(struct gate_conn *c)
{
	if (conn_of(c)->called)
		gate_call_forget(c);
	if (conn_of(c)->ask)
		gate_ocsp_forget(c);
}

static void conn_gone(struct gate_conn *c)
{
	uint32_t told = conn_of(c)->peer_told;

	if (told && told == ca_gate.issuer_nr && ca_gate.up)
		chan_tell(&ca_gate.issuer, GI_PEER_GONE, c->id,
			  (struct attr_view){ 0 });
}

enum err gate_open(int tls_fd, int plain_fd, unsigned limit, struct fault *f)
{
	static const struct gate_ops ops = {
		.routes = routes,
		.count = NELEM(routes),
		.conn_size = sizeof(struct ca_conn),
		.nothing = "there is nothing at this path: docs/http.md lists "
			   "what there is",
		.forget = forget,
		.gone = conn_gone,
	};

	memset(&ca_gate, 0, sizeof ca_gate);
	TRY(gate_init(&ops, f));
	json_warm_up();
	gate_openapi_open("ca");
	TRY(gate_cert_open(f));
	TRY(gate_port_tls(&ca_gate.tls, tls_fd, limit, f));
	return gate_port_plain(&ca_gate.plain, plain_fd, limit, f);
}

void gate_begin(struct loop *l)
{
	gate_run(l);
	gate_call_open();
	gate_ocsp_open();
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
		if (!gate_cert_reply(m))
			gate_call_reply(m);
		return;
	case GI_ITEM:
		gate_call_item(m);
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
	ca_gate.up = false;
	gate_call_lost();
	gate_ocsp_lost();
	gate_cert_lost();
}

void gate_issuer(int fd)
{
	static const struct chan_ops ops = { from_issuer, issuer_end, NULL };

	if (ca_gate.up)
		issuer_end(&ca_gate.issuer, NULL);
	chan_open(&ca_gate.issuer, gate.loop, fd, false, &ops);
	ca_gate.up = true;
	ca_gate.issuer_nr++;
	gate_ocsp_issuer();
	gate_cert_issuer();
}

void gate_end(void)
{
	if (ca_gate.up)
		issuer_end(&ca_gate.issuer, NULL);
	gate_close(); /* what the lost issuer woke is answered */
	gate_ocsp_close();
	gate_call_close();
	gate_crl_close();
	gate_page_close();
	gate_openapi_close();
	gate_cert_close();
}
