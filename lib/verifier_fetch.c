/* Verifier: asks the CA, by plain HTTP at the address that the certificate names, and
 * judges what comes. Holds one question and its answer a fetch. */
#include "lib/verifier.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum {
	STATUS_OK = 200,
};

struct vfetch {
	struct web_ask ask; /* first member */
	struct web_place place;
	struct vsource *source;
	uint64_t began; /* boottime */
	uint8_t nonce[REVOKED_NONCE];
};

static void fetch_free(struct vfetch *v)
{
	buf_wipe(&v->ask.body);
	free(v);
}

void fetch_cancel(struct vfetch *v)
{
	web_cancel(&v->ask);
	v->source->fetch = NULL;
	fetch_free(v);
	web_next();
}

/* ---- answers */

static enum err judge_ocsp(struct vfetch *v, struct span body, int64_t *age,
			   struct fault *f)
{
	struct vcert *c = v->source->certs;
	struct revoked_about about = { .ca = v->source->ca->ca,
				       .serial = span_of(c->serial,
							 SERIAL_SIZE) };
	struct revoked_answer a = { 0 };

	TRY(revoked_ocsp_judge(&about, v->nonce, body, clock_wall(),
			       verifier.max_age, &a, f));
	*age = a.age;
	if (a.revoked)
		cert_is_revoked(c, &a);
	return OK;
}

static enum err judge_list(struct vfetch *v, struct span body, struct fault *f)
{
	struct vsource *s = v->source;

	return revoked_list_take(s->ca->ca, span_str(s->url), s->instance,
				 s->list.number, body, clock_wall(), &s->list,
				 f);
}

static enum err judge(struct vfetch *v, const struct web_answer *a,
		      int64_t *age, struct fault *f)
{
	*age = 0;
	if (!a->status) {
		*f = a->why;
		return f->code;
	}
	if (a->status != STATUS_OK)
		return fault_set(f, ERR_UNAVAILABLE,
				 "'%s' answers with HTTP status %u",
				 v->place.url, a->status);
	if (verifier.by_list)
		return judge_list(v, a->body, f);
	return judge_ocsp(v, a->body, age, f);
}

static void done(struct web_ask *w, const struct web_answer *a)
{
	struct vfetch *v = (struct vfetch *)w;
	struct vsource *s = v->source;
	struct fault f = { .code = ERR_INTERNAL };
	uint64_t as_of, old;
	int64_t age;
	enum err e;

	s->fetch = NULL;
	e = judge(v, a, &age, &f);
	old = (uint64_t)age * CLOCK_SECOND;
	as_of = v->began > old ? v->began - old : 0;
	fetch_free(v);
	if (e == OK)
		source_answered(s, as_of);
	else
		source_failed(s, &f);
}

/* ---- questions */

static enum err ask_ocsp(struct vfetch *v)
{
	const struct vcert *c = v->source->certs;
	struct revoked_about about = { .ca = v->source->ca->ca,
				       .serial = span_of(c->serial,
							 SERIAL_SIZE) };

	randombytes_buf(v->nonce, sizeof v->nonce);
	buf_init(&v->ask.body, OCSP_REQUEST_MAX);
	v->ask.most = OCSP_RESPONSE_MAX;
	return revoked_ocsp_ask(&about, v->nonce, &v->ask.body);
}

enum err fetch_start(struct vsource *s, bool urgent, struct fault *f)
{
	struct vfetch *v = xcalloc(1, sizeof *v);
	enum err e = web_url_parse("http", span_str(s->url), &v->place,
				   v->ask.path, f);

	v->source = s;
	if (e == OK && !verifier.by_list && ask_ocsp(v) != OK)
		e = fault_set(f, ERR_INTERNAL, "no question can be made");
	if (e != OK) {
		fetch_free(v);
		return e;
	}
	if (verifier.by_list)
		v->ask.most = REVOKED_LIST_MAX;
	v->began = clock_boot();
	v->ask.place = &v->place;
	v->ask.urgent = urgent;
	v->ask.done = done;
	s->fetch = v;
	web_start(&v->ask);
	return OK;
}

void fetch_open(struct loop *l)
{
	static const struct web_setup setup = {
		.agent = "cretula-verifier",
		.scheme = "http",
		.header = { "Content-Type: application/ocsp-request",
			    "Accept: application/ocsp-response, "
			    "application/pkix-crl" },
		.body_max = OCSP_RESPONSE_MAX,
		.ask_time = VERIFIER_FETCH_TIME,
		.wait_time = VERIFIER_WAIT_TIME
	};

	web_open(l, &setup);
	pubkey_warm();
}
