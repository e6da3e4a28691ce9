/* Worker: AWS Signature Version 4 as a module: what it declares, a credential's
 * life, and the way from a call to the code that does it. */
#include "modules/aws-sigv4/sign.h"

#include "lib/secret.h"

#include <stdlib.h>

enum {
	ACCESS_KEY_MAX = 128,
	SECRET_MAX = 1024,
	TOKEN_MAX = 16 << 10,
	RFC3339 = 20, /* YYYY-MM-DDTHH:MM:SSZ */
};

static const struct cretula_attr_decl attributes[] = {
	{ "access_key", CRETULA_REQUIRED, "the access key id" },
	{ "secret_key", CRETULA_REQUIRED | CRETULA_CONFIDENTIAL,
	  "the secret access key" },
	{ "session_token", CRETULA_CONFIDENTIAL | CRETULA_SENT,
	  "the session token of temporary credentials" },
	{ "not_after", 0, "when the credential ends, as 2030-01-02T03:04:05Z" },
	{ NULL, 0, NULL },
};

static const struct cretula_operation_decl operations[] = {
	{ "sign", CRETULA_REVEAL_SIGNATURE,
	  "headers that sign an HTTP request" },
	{ "presign", CRETULA_REVEAL_BEARER,
	  "a query that makes the URL usable by whoever holds it" },
	{ NULL, CRETULA_REVEAL_SIGNATURE, NULL },
};

static const char *const request_names[] = {
	"method",    "target",  "header",  "body",          "body_sha256",
	"body_mode", "region",  "service", "time",          "expires",
	"payload",   "resign",  "token",   "sha256_header", "target_mode",
	"normalize", "explain", NULL,
};

static struct str attr_get(const struct cretula_attrs *a, const char *name)
{
	for (size_t i = 0; i < a->count; i++)
		if (!strcmp(a->item[i].name, name))
			return (struct str){ a->item[i].value, a->item[i].len };
	return (struct str){ NULL, 0 };
}

/* Visible ASCII, which also cannot end a header's line. */
static bool visible(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= 0x20 || s.p[i] >= 0x7f)
			return false;
	return s.n != 0;
}

/* RFC 3339 in UTC, by way of the basic form. */
static bool not_after_parse(struct str s, int64_t *t)
{
	uint8_t basic[STAMP];
	struct pen w = { .p = basic, .cap = sizeof basic };

	if (s.n != RFC3339 || s.p[4] != '-' || s.p[7] != '-' ||
	    s.p[13] != ':' || s.p[16] != ':')
		return false;
	pen_str(&w, str_cut(s, 0, 4));
	pen_str(&w, str_cut(s, 5, 7));
	pen_str(&w, str_cut(s, 8, 13));
	pen_str(&w, str_cut(s, 14, 16));
	pen_str(&w, str_cut(s, 17, 20));
	return stamp_parse(pen_done(&w), t);
}

static enum cretula_result access_key_check(const struct job *j, struct str s)
{
	if (!s.n)
		return REFUSE(j, "access_key= is missing or empty");
	if (s.n > ACCESS_KEY_MAX)
		return j->host->fail(j->call, CRETULA_TOO_LARGE,
				     "access_key= is over %d bytes",
				     ACCESS_KEY_MAX);
	if (!visible(s) || str_find(s, 0, '/') < s.n ||
	    str_find(s, 0, ',') < s.n)
		return REFUSE(j, "access_key= has a blank, '/', ',' or a "
				 "character that is not ASCII");
	return CRETULA_OK;
}

static enum cretula_result secret_key_check(const struct job *j, struct str s)
{
	if (!s.n)
		return REFUSE(j, "secret_key= is missing or empty");
	if (s.n > SECRET_MAX)
		return j->host->fail(j->call, CRETULA_TOO_LARGE,
				     "secret_key= is over %d bytes",
				     SECRET_MAX);
	if (!visible(s))
		return REFUSE(j, "secret_key= has a blank, a line end or "
				 "another character that no secret key has: "
				 "check how it was copied");
	return CRETULA_OK;
}

static enum cretula_result token_check(const struct job *j, struct str s)
{
	if (!s.p)
		return CRETULA_OK;
	if (s.n > TOKEN_MAX)
		return j->host->fail(j->call, CRETULA_TOO_LARGE,
				     "session_token= is over %d bytes",
				     TOKEN_MAX);
	if (!visible(s))
		return REFUSE(j, "session_token= is empty, or has a blank, a "
				 "line end or another character that no "
				 "token has: check how it was copied");
	return CRETULA_OK;
}

static enum cretula_result once_each(const struct job *j,
				     const struct cretula_attrs *c)
{
	for (size_t i = 0; i < c->count; i++)
		for (size_t k = 0; k < i; k++)
			if (!strcmp(c->item[i].name, c->item[k].name))
				return REFUSE(j,
					      "attribute '%s' is given "
					      "twice",
					      c->item[i].name);
	return CRETULA_OK;
}

static enum cretula_result check(const struct cretula_host *host,
				 struct cretula_call *call,
				 const struct cretula_attrs *c)
{
	const struct job j = { .host = host, .call = call };
	struct str end = attr_get(c, "not_after");
	int64_t t;

	if (c->count > NELEM(attributes))
		return REFUSE(&j, "the credential has more attributes than "
				  "there are");
	DO(once_each(&j, c));
	DO(access_key_check(&j, attr_get(c, "access_key")));
	DO(secret_key_check(&j, attr_get(c, "secret_key")));
	DO(token_check(&j, attr_get(c, "session_token")));
	if (end.p && !not_after_parse(end, &t))
		return REFUSE(&j, "not_after= is not a time as "
				  "2030-01-02T03:04:05Z");
	return CRETULA_OK;
}

static enum cretula_result facts(const struct cretula_host *host,
				 struct cretula_call *call,
				 const char *operation,
				 const struct cretula_attrs *request)
{
	struct arena arena = { .top = NULL };
	const struct job j = { .host = host, .call = call, .arena = &arena };
	struct request r;
	enum cretula_result e = request_parse(&j, operation, request, &r);

	if (e == CRETULA_OK)
		e = facts_state(&j, &r);
	arena_free(&arena);
	return e;
}

static struct str copy_locked(struct str s)
{
	uint8_t *p = secret_alloc(s.n);

	memcpy(p, s.p, s.n);
	return (struct str){ p, s.n };
}

static void signer_close(void *state)
{
	struct signer *s = state;

	if (!s)
		return;
	keys_free(s->keys);
	secret_free((void *)(uintptr_t)s->access_key.p);
	secret_free((void *)(uintptr_t)s->token.p);
	EVP_MD_CTX_free(s->digest);
	EVP_MD_free(s->sha256);
	arena_free(&s->arena);
	free(s);
}

static void ends_read(struct signer *s, struct str end)
{
	if (!end.p)
		return;
	s->ends = not_after_parse(end, &s->not_after);
	ENSURE(s->ends && end.n < sizeof s->ends_text);
	memcpy(s->ends_text, end.p, end.n);
}

static enum cretula_result signer_open(const struct cretula_host *host,
				       struct cretula_call *call,
				       const struct cretula_attrs *c,
				       void **state)
{
	struct str token = attr_get(c, "session_token");
	struct signer *s;

	DO(check(host, call, c));
	s = xcalloc(1, sizeof *s);
	s->access_key = copy_locked(attr_get(c, "access_key"));
	if (token.p)
		s->token = copy_locked(token);
	ends_read(s, attr_get(c, "not_after"));
	s->keys = keys_new(attr_get(c, "secret_key"));
	s->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	s->digest = EVP_MD_CTX_new();
	if (!s->keys || !s->sha256 || !s->digest) {
		signer_close(s);
		return host->fail(call, CRETULA_FAILED,
				  "libcrypto has no HMAC or no SHA-256");
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
	struct signer *s = state;
	const struct job j = { .host = host, .call = call, .arena = &s->arena };
	struct request r;
	enum cretula_result e;

	(void)session;
	keys_tick(s->keys, host->now(call));
	e = request_parse(&j, operation, request, &r);
	if (e == CRETULA_OK)
		e = sign_request(&j, s, &r);
	arena_clear(&s->arena);
	return e;
}

static const struct cretula_module module = {
	.abi = CRETULA_MODULE_ABI,
	.name = "aws-sigv4",
	.summary = "AWS Signature Version 4: headers and presigned URLs",
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
