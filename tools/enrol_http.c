/* Enrolment by HTTPS (docs/http.md): the CA's certificate by a connection that ends in
 * the root the caller gave, then the request. Runs in cretula; holds nothing secret. */
#include "tools/enrol.h"
#include "tools/web.h"

#include "lib/clock.h"
#include "lib/enc.h"
#include "lib/pem.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void json_end(json_t **j)
{
	json_decref(*j);
}

/* The certificate in a PEM text. */
static enum err pem_cert(const char *what, const char *text, size_t len,
			 struct buf *der, struct fault *f)
{
	size_t used;
	enum err e = pem_get("CERTIFICATE", text, len, der, &used, f);

	if (e == ERR_NOT_FOUND)
		return fault_set(f, ERR_INVALID, "%s holds no certificate",
				 what);
	return e;
}

static enum err read_root(const char *path, struct buf *der, struct fault *f)
{
	struct buf text;
	enum err e;

	buf_init(&text, 2 * WEB_PEM_MAX);
	e = file_read(path, WEB_PEM_MAX, &text, f);
	if (e == OK)
		e = pem_cert(path, (const char *)text.p, text.len, der, f);
	buf_wipe(&text);
	return e;
}

/* Is issuer a CA's certificate that the root has signed? Its key is what the token's
 * signature is for, so that it is not taken from whoever answers. */
static enum err check_issuer(struct span root_der, struct span issuer_der,
			     struct fault *f)
{
	struct cert_signed s;
	struct cert root, issuer;
	struct pubkey key;
	int64_t now = clock_wall();

	TRY(ca_cert_parse(root_der, &root, f));
	TRY(pubkey_parse(root.spki, &key, f));
	TRY(cert_split(issuer_der, &s, f));
	TRY(cert_parse_tbs(s.tbs, &issuer, f));
	if (!issuer.ca || issuer.issuer_der.n != root.subject_der.n ||
	    memcmp(issuer.issuer_der.p, root.subject_der.p,
		   root.subject_der.n) ||
	    pubkey_verify(&key, s.alg, s.tbs, s.sig) != OK)
		return fault_set(f, ERR_UNAUTHENTICATED,
				 "the issuing CA's certificate is not signed "
				 "by the root certificate given");
	if (now < issuer.not_before || now > issuer.not_after)
		return fault_set(f, ERR_EXPIRED,
				 "the issuing CA's certificate is not valid "
				 "now: is the clock right?");
	return OK;
}

static enum err fetch_issuer(const char *url, const char *root_path,
			     struct buf *issuer, bool *reached, struct fault *f)
{
	struct web w = { .ca_file = root_path, .max = WEB_PEM_MAX };
	AUTO(mem_free) char *at = NULL;
	struct buf text, root;
	enum err e;

	*reached = true;
	ENSURE(asprintf(&at, "%s/issuer.pem", url) > 0);
	w.url = at;
	buf_init(&text, 2 * WEB_PEM_MAX);
	buf_init(&root, CERT_MAX);
	e = read_root(root_path, &root, f);
	if (e == OK)
		e = web_fetch(&w, &text, reached, f);
	if (e == OK)
		e = pem_cert(at, (const char *)text.p, text.len, issuer, f);
	if (e == OK)
		e = check_issuer(span_of(root.p, root.len),
				 span_of(issuer->p, issuer->len), f);
	buf_wipe(&root);
	buf_wipe(&text);
	return e;
}

/* The request */

static bool put(json_t *j, const char *name, const void *p, size_t n)
{
	return !json_object_set_new(j, name, json_stringn(p, n));
}

static bool put_base64(json_t *j, const char *name, const void *p, size_t n)
{
	struct buf b;
	bool good;

	buf_init(&b, CLI_FILE_MAX);
	good = enc_base64(p, n, &b) == OK && put(j, name, b.p, b.len);
	buf_wipe(&b);
	return good;
}

static bool put_ask(json_t *j, const struct attr *a)
{
	const char *list = attr_named(a, "name")  ? "names"
			   : attr_named(a, "uri") ? "endpoints"
						  : NULL;
	char name[ATTR_NAME_MAX + 1], text[ATTR_NAME_MAX];
	json_t *all;

	(void)snprintf(name, sizeof name, "%.*s", a->name_len, a->name);
	if (attr_named(a, "lifetime")) { /* JSON has durations */
		(void)snprintf(text, sizeof text, "%.*ss", (int)a->len,
			       (const char *)a->value);
		return put(j, name, text, strlen(text));
	}
	if (!list)
		return put(j, name, a->value, a->len);
	all = json_object_get(j, list);
	if (!all) {
		all = json_array();
		if (json_object_set_new(j, list, all))
			return false;
	}
	return !json_array_append_new(
		all, json_stringn((const char *)a->value, a->len));
}

static char *request_json(const struct enrol *n, const uint8_t sig[TOKEN_SIG])
{
	AUTO(json_end) json_t *j = json_object();
	struct attr_view v = attrs_view(&n->asks);
	char id[2 * TOKEN_ID + 1];
	struct attr a;
	bool good;

	enc_hex(n->token.id, TOKEN_ID, id);
	good = put(j, "token_id", id, strlen(id)) &&
	       put_base64(j, "csr", n->csr.p, n->csr.len) &&
	       put_base64(j, "signature", sig, TOKEN_SIG);
	while (good && attr_next(&v, &a))
		good = put_ask(j, &a);
	return good ? json_dumps(j, JSON_COMPACT) : NULL;
}

/* The answer */

static enum err take_pem(const json_t *j, const char *name, struct buf *der,
			 struct fault *f)
{
	const json_t *text = json_object_get(j, name);

	if (!json_is_string(text))
		return fault_set(f, ERR_INTERNAL, "the answer has no '%s'",
				 name);
	return pem_cert(name, json_string_value(text), json_string_length(text),
			der, f);
}

static enum err take_answer(const struct buf *body, struct enrol *n,
			    struct fault *f)
{
	AUTO(json_end)
	json_t *j = json_loadb((const char *)body->p, body->len, 0, NULL);
	const char *name;
	json_t *value;

	if (!json_is_object(j))
		return fault_set(f, ERR_INTERNAL, "the answer is no JSON");
	TRY(take_pem(j, "certificate", &n->cert, f));
	TRY(take_pem(j, "chain", &n->issuer, f));
	json_object_foreach(j, name, value)
	{
		if (!json_is_string(value) || !strcmp(name, "certificate") ||
		    !strcmp(name, "chain") || !attr_name_ok(name, strlen(name)))
			continue;
		TRY(attrs_add(&n->said, name, 0, json_string_value(value),
			      json_string_length(value)));
	}
	return OK;
}

static enum err post(const char *url, const char *root, const char *json,
		     struct enrol *n, bool *reached, struct fault *f)
{
	struct web w = { .ca_file = root, .json = json, .max = WEB_JSON_MAX };
	AUTO(mem_free) char *at = NULL;
	struct buf body;
	enum err e;

	ENSURE(asprintf(&at, "%s/v1/enrol", url) > 0);
	w.url = at;
	buf_init(&body, 2 * WEB_JSON_MAX);
	e = web_fetch(&w, &body, reached, f);
	if (e == OK)
		e = take_answer(&body, n, f);
	buf_wipe(&body);
	return e;
}

static enum err enrol_at(const char *url, const char *root, struct enrol *n,
			 bool *reached, struct fault *f)
{
	AUTO(mem_free) char *json = NULL;
	uint8_t sig[TOKEN_SIG];
	struct buf issuer;
	enum err e;

	buf_init(&issuer, CERT_MAX);
	e = fetch_issuer(url, root, &issuer, reached, f);
	if (e == OK)
		e = enrol_sign(n, span_of(issuer.p, issuer.len), sig, f);
	buf_wipe(&issuer);
	if (e != OK)
		return e;
	json = request_json(n, sig);
	if (!json)
		return fault_set(f, ERR_INVALID,
				 "a name that is asked for is not UTF-8");
	return post(url, root, json, n, reached, f);
}

int enrol_http(const char *url, const char *root, struct enrol *n)
{
	AUTO(mem_free) char *base = xstrdup(url);
	size_t len = strlen(base);
	struct fault f = { 0 };
	bool reached = true;
	enum err e;
	int rc;

	while (len && base[len - 1] == '/')
		base[--len] = '\0';
	e = enrol_at(base, root, n, &reached, &f);
	if (e == OK)
		return 0;
	rc = cli_fault(e, &f);
	return reached ? rc : EXIT_NOT_REACHED;
}
