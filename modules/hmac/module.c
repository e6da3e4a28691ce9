/* Worker: HMAC as a module, of given bytes or of a request as the credential's
 * template puts it together. Holds one credential; the key itself only inside an
 * OpenSSL context, which wipes it. */
#include "lib/buf.h"
#include "lib/enc.h"
#include "modules/hmac/sign.h"

#include <openssl/core_names.h>
#include <stdlib.h>

enum {
	KEY_BYTES_MAX = 16 << 10,
};

static const struct cretula_attr_decl attributes[] = {
	{ "key", CRETULA_REQUIRED | CRETULA_CONFIDENTIAL, "the secret key" },
	{ "key_encoding", 0, "how key is written: raw (default), hex, base64" },
	{ "algorithm", 0, "sha256 (default), sha1, sha384, sha512" },
	{ "format", 0, "of the signature: hex (default), base64" },
	{ "template", 0, "what is signed, with {fields}; see docs/modules.md" },
	{ "header", 0, "the header that carries the signature" },
	{ "prefix", 0, "stands before the signature in that header" },
	{ NULL, 0, NULL },
};

static const struct cretula_operation_decl operations[] = {
	{ "sign", CRETULA_REVEAL_SIGNATURE,
	  "the HMAC of data=, or of a request by the credential's template" },
	{ NULL, CRETULA_REVEAL_SIGNATURE, NULL },
};

static const char *const request_names[] = {
	"data",        "method", "target", "header",  "body",
	"body_sha256", "time",   "nonce",  "explain", NULL,
};

static const struct {
	const char *name;
	const char *openssl;
} algorithms[] = {
	{ "sha256", "SHA256" },
	{ "sha1", "SHA1" },
	{ "sha384", "SHA384" },
	{ "sha512", "SHA512" },
};

enum key_form {
	KEY_RAW,
	KEY_HEX,
	KEY_BASE64,
};

/* A credential, read and checked; borrows from its attributes. */
struct parsed {
	struct bytes key;
	enum key_form form;
	const char *digest;
	bool base64;
	struct bytes template, header, prefix;
};

static enum cretula_result digest_read(const struct job *j, struct bytes v,
				       const char **digest)
{
	*digest = algorithms[0].openssl;
	if (!v.p)
		return CRETULA_OK;
	for (size_t i = 0; i < NELEM(algorithms); i++) {
		if (!bytes_is(v, algorithms[i].name))
			continue;
		*digest = algorithms[i].openssl;
		return CRETULA_OK;
	}
	return REFUSE(j, "algorithm= is sha256, sha1, sha384 or sha512");
}

static enum cretula_result form_read(const struct job *j, struct bytes v,
				     enum key_form *form)
{
	*form = KEY_RAW;
	if (!v.p || bytes_is(v, "raw"))
		return CRETULA_OK;
	if (bytes_is(v, "hex"))
		*form = KEY_HEX;
	else if (bytes_is(v, "base64"))
		*form = KEY_BASE64;
	else
		return REFUSE(j, "key_encoding= is raw, hex or base64");
	return CRETULA_OK;
}

static enum cretula_result format_read(const struct job *j, struct bytes v,
				       bool *base64)
{
	*base64 = v.p && bytes_is(v, "base64");
	if (v.p && !*base64 && !bytes_is(v, "hex"))
		return REFUSE(j, "format= is hex or base64");
	return CRETULA_OK;
}

static enum cretula_result header_check(const struct job *j, struct bytes h,
					struct bytes prefix)
{
	if (prefix.p && !h.p)
		return REFUSE(j, "prefix= without header=: it stands before "
				 "the signature in that header");
	if (h.p && (!h.n || h.n > HEADER_NAME_MAX))
		return REFUSE(j, "header= is not 1 to %d bytes",
			      HEADER_NAME_MAX);
	for (size_t i = 0; i < h.n; i++)
		if (h.p[i] <= 0x20 || h.p[i] >= 0x7f || h.p[i] == ':')
			return REFUSE(j, "header= is not the name of a header");
	if (prefix.n > PREFIX_MAX)
		return REFUSE(j, "prefix= is over %d bytes", PREFIX_MAX);
	for (size_t i = 0; i < prefix.n; i++)
		if (prefix.p[i] < 0x20 || prefix.p[i] >= 0x7f)
			return REFUSE(j, "prefix= has a character that is not "
					 "visible ASCII or a blank");
	return CRETULA_OK;
}

/* The key's bytes. key is a secret buffer. */
static enum cretula_result key_decode(const struct job *j,
				      const struct parsed *p, struct buf *key)
{
	const char *text = (const char *)p->key.p;
	uint8_t *at;
	enum err e = OK;

	switch (p->form) {
	case KEY_RAW:
		e = buf_put(key, p->key.p, p->key.n);
		break;
	case KEY_HEX:
		e = buf_grow(key, p->key.n / 2, &at);
		if (e == OK)
			e = enc_hex_parse(text, p->key.n, at, p->key.n / 2);
		break;
	case KEY_BASE64:
		e = enc_base64_parse(text, p->key.n, key);
		break;
	}
	if (e != OK)
		return REFUSE(j, "key= is not written as key_encoding= says");
	return key->len ? CRETULA_OK : REFUSE(j, "key= is empty");
}

static enum cretula_result parse(const struct job *j,
				 const struct cretula_attrs *c,
				 struct parsed *p)
{
	DO(attrs_once(j, c, NULL));
	*p = (struct parsed){
		.key = attrs_get(c, "key"),
		.template = attrs_get(c, "template"),
		.header = attrs_get(c, "header"),
		.prefix = attrs_get(c, "prefix"),
	};
	if (!p->key.n)
		return REFUSE(j, "key= is missing or empty");
	if (p->key.n > KEY_BYTES_MAX)
		return j->host->fail(j->call, CRETULA_TOO_LARGE,
				     "key= is over %d bytes", KEY_BYTES_MAX);
	DO(form_read(j, attrs_get(c, "key_encoding"), &p->form));
	DO(digest_read(j, attrs_get(c, "algorithm"), &p->digest));
	DO(format_read(j, attrs_get(c, "format"), &p->base64));
	return header_check(j, p->header, p->prefix);
}

static enum cretula_result check(const struct cretula_host *host,
				 struct cretula_call *call,
				 const struct cretula_attrs *c)
{
	const struct job j = { .host = host, .call = call };
	struct template t;
	struct parsed p;
	struct buf key;
	enum cretula_result e;

	DO(parse(&j, c, &p));
	if (p.template.p)
		DO(template_parse(&j, p.template, &t));
	buf_init_secret(&key, KEY_BYTES_MAX);
	e = key_decode(&j, &p, &key);
	buf_wipe(&key);
	return e;
}

static void signer_close(void *state)
{
	struct signer *s = state;

	if (!s)
		return;
	EVP_MAC_CTX_free(s->mac);
	EVP_MAC_free(s->hmac);
	EVP_MD_CTX_free(s->digest);
	EVP_MD_free(s->sha256);
	free(s->template_text);
	free(s->lead);
	free(s);
}

static bool mac_open(struct signer *s, const struct parsed *p,
		     const struct buf *key)
{
	char digest[16] = { 0 };
	OSSL_PARAM set[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest,
						 0),
		OSSL_PARAM_construct_end(),
	};

	memcpy(digest, p->digest, strlen(p->digest));
	s->hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	s->mac = s->hmac ? EVP_MAC_CTX_new(s->hmac) : NULL;
	s->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	s->digest = EVP_MD_CTX_new();
	return s->mac && s->sha256 && s->digest &&
	       EVP_MAC_init(s->mac, key->p, key->len, set) == 1;
}

static char *lead_make(const struct parsed *p)
{
	size_t n = p->header.n + p->prefix.n;
	char *lead = xcalloc(1, n + 3);

	memcpy(lead, p->header.p, p->header.n);
	memcpy(lead + p->header.n, ": ", 2);
	if (p->prefix.n)
		memcpy(lead + p->header.n + 2, p->prefix.p, p->prefix.n);
	return lead;
}

static enum cretula_result signer_fill(const struct job *j, struct signer *s,
				       const struct parsed *p)
{
	struct buf key;
	enum cretula_result e;

	s->base64 = p->base64;
	if (p->header.p)
		s->lead = lead_make(p);
	if (p->template.p) {
		s->template_text = xmemdup(p->template.p, p->template.n);
		DO(template_parse(
			j, (struct bytes){ s->template_text, p->template.n },
			&s->template));
	}
	buf_init_secret(&key, KEY_BYTES_MAX);
	e = key_decode(j, p, &key);
	if (e == CRETULA_OK && !mac_open(s, p, &key))
		e = j->host->fail(j->call, CRETULA_FAILED,
				  "libcrypto has no HMAC of this kind");
	buf_wipe(&key);
	return e;
}

static enum cretula_result signer_open(const struct cretula_host *host,
				       struct cretula_call *call,
				       const struct cretula_attrs *c,
				       void **state)
{
	const struct job j = { .host = host, .call = call };
	struct signer *s;
	struct parsed p;
	enum cretula_result e;

	DO(parse(&j, c, &p));
	s = xcalloc(1, sizeof *s);
	e = signer_fill(&j, s, &p);
	if (e != CRETULA_OK) {
		signer_close(s);
		return e;
	}
	*state = s;
	return CRETULA_OK;
}

static enum cretula_result run(const struct cretula_host *host,
			       struct cretula_call *call, void *state,
			       const char *operation,
			       const struct cretula_attrs *request,
			       void **session)
{
	const struct job j = { .host = host, .call = call };
	struct signer *s = state;
	struct request r;

	(void)session;
	DO(request_parse(&j, operation, request, &r));
	return signer_run(&j, s, &r);
}

static enum cretula_result facts(const struct cretula_host *host,
				 struct cretula_call *call,
				 const char *operation,
				 const struct cretula_attrs *request)
{
	const struct job j = { .host = host, .call = call };
	struct request r;

	DO(request_parse(&j, operation, request, &r));
	return request_facts(&j, &r);
}

static const struct cretula_module module = {
	.abi = CRETULA_MODULE_ABI,
	.name = "hmac",
	.summary = "HMAC with SHA-1 and SHA-2, of bytes or by a template",
	.attributes = attributes,
	.operations = operations,
	.request = request_names,
	.check = check,
	.facts = facts,
	.open = signer_open,
	.run = run,
	.close = signer_close,
};

const struct cretula_module *cretula_module(void)
{
	return &module;
}
