/* Worker: feeds data, or what the template says, to the HMAC, and replies. Holds
 * one credential. */
#include "modules/hmac/sign.h"

#include "lib/buf.h"
#include "lib/enc.h"
#include "lib/secret.h"

static enum cretula_result failed(const struct job *j)
{
	return j->host->fail(j->call, CRETULA_FAILED,
			     "libcrypto refused to compute a hash");
}

static enum cretula_result feed(const struct job *j, struct signer *s,
				struct bytes b)
{
	if (b.n && EVP_MAC_update(s->mac, b.p, b.n) != 1)
		return failed(j);
	return CRETULA_OK;
}

static enum cretula_result feed_text(const struct job *j, struct signer *s,
				     const char *text)
{
	return feed(j, s,
		    (struct bytes){ (const uint8_t *)text, strlen(text) });
}

static enum cretula_result feed_needed(const struct job *j, struct signer *s,
				       struct bytes b, const char *what)
{
	if (!b.p)
		return REFUSE(j,
			      "the credential's template needs %s, and the "
			      "request has none",
			      what);
	return feed(j, s, b);
}

static enum cretula_result feed_body(const struct job *j, struct signer *s,
				     const struct request *r)
{
	if (!r->body.p && r->body_sha256.p)
		return REFUSE(j, "the credential's template needs the body "
				 "itself: give body=");
	return feed(j, s, r->body);
}

/* The body's hash: computed if it is there, then equal to what was given. */
static enum cretula_result feed_hash(const struct job *j, struct signer *s,
				     struct request *r)
{
	uint8_t hash[SHA256_HEX / 2];

	if (!r->body.p && r->body_sha256.p)
		return feed(j, s, r->body_sha256);
	if (EVP_DigestInit_ex(s->digest, s->sha256, NULL) != 1 ||
	    EVP_DigestUpdate(s->digest, r->body.p, r->body.n) != 1 ||
	    EVP_DigestFinal_ex(s->digest, hash, NULL) != 1)
		return failed(j);
	enc_hex(hash, sizeof hash, r->hash_text);
	if (r->body_sha256.p && !bytes_is(r->body_sha256, r->hash_text))
		return REFUSE(j, "body_sha256= is not the SHA-256 of body=");
	return feed_text(j, s, r->hash_text);
}

/* All of that name, joined as HTTP joins them. */
static enum cretula_result feed_header(const struct job *j, struct signer *s,
				       const struct request *r,
				       struct bytes name)
{
	struct bytes value = request_header(r, name, 0);

	if (!value.p)
		return REFUSE(j,
			      "the credential's template needs header "
			      "'%.*s', and the request has none",
			      (int)name.n, (const char *)name.p);
	for (size_t n = 0; (value = request_header(r, name, n)).p; n++) {
		if (n)
			DO(feed_text(j, s, ","));
		DO(feed(j, s, value));
	}
	return CRETULA_OK;
}

/* Once for a request, so that a template may name it twice. */
static struct bytes nonce_of(struct request *r)
{
	uint8_t raw[NONCE_SIZE / 2];

	if (r->nonce.p)
		return r->nonce;
	random_fill(raw, sizeof raw);
	enc_hex(raw, sizeof raw, r->nonce_text);
	r->nonce = (struct bytes){ (const uint8_t *)r->nonce_text, NONCE_SIZE };
	return r->nonce;
}

static enum cretula_result feed_part(const struct job *j, struct signer *s,
				     struct request *r, const struct part *p)
{
	switch (p->field) {
	case FIELD_TEXT:
		return feed(j, s, p->text);
	case FIELD_METHOD:
		return feed_needed(j, s, r->method, "a method");
	case FIELD_TARGET:
		return feed_needed(j, s, r->target, "a target");
	case FIELD_PATH:
		return feed_needed(j, s, r->path, "a target");
	case FIELD_QUERY:
		return feed_needed(j, s, r->query, "a target");
	case FIELD_HOST:
		return feed_needed(j, s, r->host, "a host header");
	case FIELD_BODY:
		return feed_body(j, s, r);
	case FIELD_BODY_SHA256:
		return feed_hash(j, s, r);
	case FIELD_TIME:
		return feed_text(j, s, r->time_text);
	case FIELD_TIME_MS:
		return feed_text(j, s, r->time_ms_text);
	case FIELD_NONCE:
		return feed(j, s, nonce_of(r));
	case FIELD_HEADER:
		return feed_header(j, s, r, p->text);
	}
	return failed(j);
}

static enum cretula_result feed_all(const struct job *j, struct signer *s,
				    struct request *r)
{
	if (!s->template.count) {
		if (!r->data.p)
			return REFUSE(j, "there is no data: give data=, or add "
					 "the credential with a template=");
		return feed(j, s, r->data);
	}
	if (r->data.p)
		return REFUSE(j, "the credential has a template, which says "
				 "what may be signed: give the request's parts "
				 "instead of data=");
	for (size_t i = 0; i < s->template.count; i++)
		DO(feed_part(j, s, r, &s->template.part[i]));
	return CRETULA_OK;
}

static enum cretula_result reply_text(const struct job *j, const char *name,
				      const char *text)
{
	return j->host->reply(j->call, name, text, strlen(text));
}

static enum cretula_result reply_signature(const struct job *j,
					   const struct signer *s,
					   struct bytes text)
{
	struct buf line;
	enum cretula_result e = CRETULA_OK;

	DO(j->host->reply(j->call, "signature", text.p, text.n));
	if (!s->lead)
		return CRETULA_OK;
	buf_init(&line, HEADER_NAME_MAX + PREFIX_MAX + 4 * MAC_MAX);
	if (buf_str(&line, s->lead) != OK ||
	    buf_put(&line, text.p, text.n) != OK)
		e = failed(j);
	else
		e = j->host->reply(j->call, "header", line.p, line.len);
	buf_wipe(&line);
	return e;
}

static enum cretula_result reply_all(const struct job *j,
				     const struct signer *s,
				     const struct request *r, struct bytes text)
{
	DO(reply_signature(j, s, text));
	if (template_uses(&s->template, FIELD_TIME))
		DO(reply_text(j, "timestamp", r->time_text));
	if (template_uses(&s->template, FIELD_TIME_MS))
		DO(reply_text(j, "timestamp_ms", r->time_ms_text));
	if (template_uses(&s->template, FIELD_NONCE))
		DO(j->host->reply(j->call, "nonce", r->nonce.p, r->nonce.n));
	return CRETULA_OK;
}

static enum cretula_result finish(const struct job *j, struct signer *s,
				  const struct request *r)
{
	uint8_t mac[MAC_MAX];
	size_t n;
	struct buf text;
	enum cretula_result e;
	uint8_t *at;
	bool ok;

	if (EVP_MAC_final(s->mac, mac, &n, sizeof mac) != 1)
		return failed(j);
	buf_init(&text, 4 * MAC_MAX);
	if (s->base64) {
		ok = enc_base64(mac, n, &text) == OK;
	} else {
		ok = buf_grow(&text, 2 * n + 1, &at) == OK;
		if (ok) {
			enc_hex(mac, n, (char *)at);
			text.len--;
		}
	}
	e = ok ? reply_all(j, s, r, (struct bytes){ text.p, text.len })
	       : failed(j);
	buf_wipe(&text);
	return e;
}

enum cretula_result signer_run(const struct job *j, struct signer *s,
			       struct request *r)
{
	/* Without a key: start again with the one it has. */
	if (EVP_MAC_init(s->mac, NULL, 0, NULL) != 1)
		return failed(j);
	DO(feed_all(j, s, r));
	return finish(j, s, r);
}
