/* From a request's text and the caller's options to the attributes that modules
 * take (docs/protocol.md, "request of HTTP-signing modules"). Runs in clients. */
#include "lib/client.h"
#include "lib/num.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/enc.h"

#define EXPIRES_MAX (100ull * 366 * 86400)

struct client_digest {
	EVP_MD_CTX *ctx;
};

struct client_digest *client_digest_new(void)
{
	struct client_digest *d = xcalloc(1, sizeof *d);

	d->ctx = EVP_MD_CTX_new();
	ENSURE(d->ctx != NULL);
	ENSURE(EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL) == 1);
	return d;
}

void client_digest_add(struct client_digest *d, const void *p, size_t n)
{
	ENSURE(EVP_DigestUpdate(d->ctx, p, n) == 1);
}

void client_digest_end(struct client_digest *d, char out[65])
{
	uint8_t hash[32];

	ENSURE(EVP_DigestFinal_ex(d->ctx, hash, NULL) == 1);
	EVP_MD_CTX_free(d->ctx);
	free(d);
	enc_hex(hash, sizeof hash, out);
}

void client_options_wipe(struct client_options *o)
{
	attrs_wipe(&o->rest);
}

static enum cretula_err take_text(const struct attr *a, char *out, size_t size,
				  struct cretula_error *err)
{
	if (!a->len || a->len >= size || memchr(a->value, 0, a->len))
		return client_fail(err, ERR_INVALID,
				   "%.*s= is empty, or over %zu bytes",
				   a->name_len, a->name, size - 1);
	memcpy(out, a->value, a->len);
	out[a->len] = '\0';
	return CRETULA_ERR_NONE;
}

/* One of two words; *second says which. */
static enum cretula_err take_choice(const struct attr *a, const char *one,
				    const char *two, bool *second,
				    struct cretula_error *err)
{
	if (!attr_is(a, one) && !attr_is(a, two))
		return client_fail(err, ERR_INVALID, "%.*s= is %s or %s",
				   a->name_len, a->name, one, two);
	*second = attr_is(a, two);
	return CRETULA_ERR_NONE;
}

static enum err put_choice(struct client_options *o, const char *name,
			   const struct attr *a)
{
	return attrs_add(&o->rest, name, 0, a->value, a->len);
}

static enum cretula_err take_expires(const struct attr *a,
				     struct client_options *o,
				     struct cretula_error *err)
{
	uint64_t seconds;

	if (num_duration((const char *)a->value, a->len, true, EXPIRES_MAX,
			 &seconds) != OK)
		return client_fail(err, ERR_INVALID,
				   "expires= is a duration such as 90s, 15m or "
				   "1h, or a number of seconds");
	if (attrs_add_u64(&o->rest, "expires", seconds) != OK)
		return client_fail(err, ERR_TOO_LARGE, "too many options");
	return CRETULA_ERR_NONE;
}

static bool from_request(const struct attr *a)
{
	return attr_named(a, "method") || attr_named(a, "header") ||
	       attr_named(a, "body_sha256") || attr_named(a, "body_mode") ||
	       attr_named(a, "target_mode");
}

static enum cretula_err take_option(const struct attr *a,
				    struct client_options *o,
				    struct cretula_error *err)
{
	enum cretula_err e = CRETULA_ERR_NONE;
	enum err put = OK;
	bool http;

	if (from_request(a))
		return client_fail(err, ERR_INVALID,
				   "'%.*s' comes from the request itself",
				   a->name_len, a->name);
	if (attr_named(a, "op"))
		return take_text(a, o->op, sizeof o->op, err);
	if (attr_named(a, "expires"))
		return take_expires(a, o, err);
	if (attr_named(a, "scheme")) {
		e = take_choice(a, "https", "http", &http, err);
		return e ? e : take_text(a, o->scheme, sizeof o->scheme, err);
	}
	if (attr_named(a, "body")) {
		e = take_choice(a, "sign", "ignore", &o->ignore_body, err);
		put = put_choice(o, "body_mode", a);
	} else if (attr_named(a, "target")) {
		e = take_choice(a, "wire", "raw", &o->raw, err);
		put = put_choice(o, "target_mode", a);
	} else {
		o->payload |= attr_named(a, "payload");
		put = attrs_add_attr(&o->rest, a);
	}
	return e || put == OK ? e : client_fail(err, put, "too many options");
}

enum cretula_err client_options(struct attr_view given,
				struct client_options *o,
				struct cretula_error *err)
{
	static const char *const once[] = { "op", "scheme", "expires", "body",
					    "target" };
	struct attr_view it = given;
	enum cretula_err e;
	struct attr a;

	*o = (struct client_options){ .op = "sign", .scheme = "https" };
	attrs_init(&o->rest);
	for (size_t i = 0; i < NELEM(once); i++)
		if (attr_count(given, once[i]) > 1)
			return client_fail(err, ERR_INVALID,
					   "%s= is given twice", once[i]);
	while (attr_next(&it, &a)) {
		e = take_option(&a, o, err);
		if (e) {
			client_options_wipe(o);
			return e;
		}
	}
	return CRETULA_ERR_NONE;
}

static bool is_form(const struct http_request *r)
{
	static const char form[] = "application/x-www-form-urlencoded";
	const struct http_header *h = http_find(r, "content-type");
	size_t n = sizeof form - 1;

	return h && h->value.len >= n && !strncasecmp(h->value.p, form, n) &&
	       (h->value.len == n || h->value.p[n] == ';' ||
		h->value.p[n] == ' ' || h->value.p[n] == '\t');
}

/* A body that is not as long as the request says was cut, or has a newline too
 * many: what it was signed for would be refused later, far from the cause. */
static enum cretula_err check_length(const struct http_request *r,
				     const struct client_options *o,
				     const struct client_body *body,
				     struct cretula_error *err)
{
	const struct http_header *h = http_find(r, "content-length");
	uint64_t said;

	if (!h || !body->len || o->ignore_body || o->payload)
		return CRETULA_ERR_NONE;
	if (num_u64(h->value.p, h->value.len, UINT64_MAX, &said) != OK)
		return client_fail(err, ERR_INVALID,
				   "the Content-Length header is no number");
	if (said != body->len)
		return client_fail(err, ERR_INVALID,
				   "the Content-Length header says %llu bytes, "
				   "the body has %llu",
				   (unsigned long long)said,
				   (unsigned long long)body->len);
	return CRETULA_ERR_NONE;
}

static enum err put_body(const struct http_request *r,
			 const struct client_body *body, struct attrs *out)
{
	uint64_t max = is_form(r) ? CLIENT_FORM_SENT_MAX : CLIENT_BODY_SENT_MAX;
	char hex[65];

	if (!body->len && !body->sha256[0])
		return OK;
	if (body->p && body->len <= max)
		return attrs_add(out, "body", 0, body->p, (size_t)body->len);
	memcpy(hex, body->sha256, sizeof hex);
	if (!hex[0]) {
		struct client_digest *d = client_digest_new();

		client_digest_add(d, body->p, (size_t)body->len);
		client_digest_end(d, hex);
	}
	return attrs_add_str(out, "body_sha256", hex);
}

enum cretula_err client_request(const struct http_request *r,
				const struct client_options *o,
				const struct client_body *body,
				struct attrs *out, struct cretula_error *err)
{
	enum cretula_err ce = check_length(r, o, body, err);
	enum err e;

	if (ce)
		return ce;
	e = http_attrs(r, out);
	if (e == OK)
		e = put_body(r, body, out);
	if (e == OK)
		e = attrs_add_view(out, attrs_view(&o->rest));
	if (e != OK)
		return client_fail(err, e,
				   "the request's head and options are over "
				   "the %d bytes of one message",
				   ATTR_BYTES_MAX);
	return CRETULA_ERR_NONE;
}
