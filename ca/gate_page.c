/* gate: the CA's certificates and the root's CRL, health and metrics. Public data only. */
#include "ca/gate.h"

#include "lib/clock.h"
#include "lib/enc.h"
#include "lib/httpdate.h"
#include "lib/pem.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum {
	PEM_MAX = 64 << 10,
	PAGES = 5,
	PAGE_ETAG = 2 * 32 + 3,
};

#define PAGE_AGE "max-age=3600, public"

/* The same certificate in both forms. */
static struct page {
	const char *path;
	struct MHD_Response *response;
	char etag[PAGE_ETAG];
	int64_t since;
} pages[PAGES] = {
	{ .path = "/issuer.pem" }, { .path = "/issuer.der" },
	{ .path = "/root.pem" },   { .path = "/root.der" },
	{ .path = "/root.crl" },
};

/* Certificates */

#define PEM_TYPE  "application/pem-certificate-chain"
#define CERT_TYPE "application/pkix-cert"
#define CRL_TYPE  "application/pkix-crl"

/* As PEM if that is the type. */
static void page_set(struct page *p, struct span der, const char *type)
{
	const bool pem = !strcmp(type, PEM_TYPE);
	uint8_t hash[crypto_hash_sha256_BYTES];
	char date[HTTPDATE_LEN + 1];
	struct buf b;

	if (p->response)
		MHD_destroy_response(p->response);
	buf_init(&b, PEM_MAX);
	ENSURE((pem ? pem_put("CERTIFICATE", der, &b)
		    : buf_put(&b, der.p, der.n)) == OK);
	p->response = mhd_response(b.p, b.len, type);
	(void)crypto_hash_sha256(hash, b.p, b.len);
	buf_wipe(&b);
	p->etag[0] = '"';
	enc_hex(hash, sizeof hash, p->etag + 1);
	p->etag[PAGE_ETAG - 2] = '"';
	p->since = clock_wall();
	httpdate_format(p->since, date);
	mhd_header(p->response, MHD_HTTP_HEADER_ETAG, p->etag);
	mhd_header(p->response, MHD_HTTP_HEADER_LAST_MODIFIED, date);
	mhd_header(p->response, MHD_HTTP_HEADER_CACHE_CONTROL, PAGE_AGE);
}

static void keep(const struct msg *m, const char *name, uint8_t **der,
		 size_t *len, struct page *page)
{
	struct attr a;

	if (!attr_find(m->attrs, name, &a) || !a.len)
		return;
	if (*der && *len == a.len && !memcmp(*der, a.value, a.len))
		return;
	free(*der);
	*der = xmemdup(a.value, a.len);
	*len = a.len;
	page_set(&page[0], span_of(*der, *len), PEM_TYPE);
	page_set(&page[1], span_of(*der, *len), CERT_TYPE);
}

/* It is there in one form, and made anew with the issuing certificate only. */
static void keep_crl(const struct msg *m)
{
	struct attr a;

	if (attr_find(m->attrs, "root_crl", &a) && a.len)
		page_set(&pages[PAGES - 1], span_of(a.value, a.len), CRL_TYPE);
}

void gate_page_chain(const struct msg *m)
{
	keep(m, "issuer", &ca_gate.issuer_der, &ca_gate.issuer_len, &pages[0]);
	keep(m, "root", &ca_gate.root_der, &ca_gate.root_len, &pages[2]);
	keep_crl(m);
	gate_cert_chain();
}

enum MHD_Result gate_page_cert(struct gate_conn *c)
{
	size_t i = 0;

	while (strcmp(pages[i].path, c->route->path))
		i++;
	if (!pages[i].response)
		return gate_refuse(c, ERR_UNAVAILABLE,
				   "this CA has no certificates yet: run "
				   "'cretula ca init'");
	return gate_cached(c, pages[i].response, pages[i].etag, pages[i].since);
}

void gate_page_close(void)
{
	for (size_t i = 0; i < PAGES; i++) {
		if (pages[i].response)
			MHD_destroy_response(pages[i].response);
		pages[i].response = NULL;
	}
	free(ca_gate.issuer_der);
	free(ca_gate.root_der);
	ca_gate.issuer_der = ca_gate.root_der = NULL;
}

/* Health */

/* healthz: this process answers. readyz: what was asked for can be done. */
enum MHD_Result gate_page_health(struct gate_conn *c)
{
	const char *why = NULL;

	if (!strcmp(c->route->path, "/healthz"))
		return gate_text(c, MHD_HTTP_OK, "ok\n");
	if (!ca_gate.up)
		why = "the issuer is being started\n";
	else if (!ca_gate.issuer_der)
		why = "this CA is not initialised: run 'cretula ca init'\n";
	else if (gate_tls_until() <= clock_wall())
		why = "the gate has no certificate of its own yet\n";
	if (why)
		return gate_text(c, MHD_HTTP_SERVICE_UNAVAILABLE, why);
	return gate_text(c, MHD_HTTP_OK, "ok\n");
}

/* Metrics */

enum MHD_Result gate_page_metrics(struct gate_conn *c)
{
	static const char tls[] = "{port=\"tls\"}",
			  plain[] = "{port=\"plain\"}";
	static const char counter[] = "counter", gauge[] = "gauge";
	struct gate_ocsp_stats o;

	gate_ocsp_stats(&o);
	const struct gate_metric all[] = {
		{ "up", gauge, "", ca_gate.up },
		{ "requests_total", counter, tls, ca_gate.tls.requests },
		{ "requests_total", counter, plain, ca_gate.plain.requests },
		{ "connections", gauge, tls, ca_gate.tls.conns },
		{ "connections", gauge, plain, ca_gate.plain.conns },
		{ "accepted_total", counter, tls, ca_gate.tls.accepted },
		{ "accepted_total", counter, plain, ca_gate.plain.accepted },
		{ "closed_slow_total", counter, tls, ca_gate.tls.closed_slow },
		{ "closed_slow_total", counter, plain,
		  ca_gate.plain.closed_slow },
		{ "closed_full_total", counter, tls, ca_gate.tls.closed_full },
		{ "closed_full_total", counter, plain,
		  ca_gate.plain.closed_full },
		{ "calls_done_total", counter, "", ca_gate.calls_done },
		{ "calls_failed_total", counter, "", ca_gate.calls_failed },
		{ "calls_in_flight", gauge, "", gate_call_count() },
		{ "peers_total", counter, "", ca_gate.peers },
		{ "ocsp_hits_total", counter, "", o.hits },
		{ "ocsp_asked_total", counter, "", o.asked },
		{ "ocsp_refreshed_total", counter, "", o.refreshed },
		{ "ocsp_retried_total", counter, "", o.retried },
		{ "ocsp_shed_total", counter, "", o.shed },
		{ "ocsp_dropped_total", counter, "", o.dropped },
		{ "ocsp_entries", gauge, "", o.entries },
		{ "ocsp_bytes", gauge, "", o.bytes },
		{ "ocsp_in_flight", gauge, "", o.in_flight },
		{ "crls", gauge, "", gate_crl_count() },
		{ "tls_not_after_seconds", gauge, "",
		  (uint64_t)MAX(gate_tls_until(), 0) },
	};
	return gate_metrics(c, "cretula_ca_gate_", all, NELEM(all));
}
