/* net: the key of the node's next certificate and the request for it, kept before they
 * are used; the enrolment token. Holds these while a request is made. */
#include "certmgr/net_self.h"

#include "lib/csr.h"
#include "lib/json_attrs.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
	PKCS8_MAX = 4096,
	TOKEN_FILE_MAX = 256,
};

static enum err make(const char *node, struct attrs *out, struct fault *f)
{
	AUTO(signkey_free) struct signkey *key = NULL;
	AUTO(buf_wipe) struct buf pkcs8 = { 0 };
	AUTO(buf_wipe) struct buf csr = { 0 };
	struct cert_names dns = { .count = 0 };

	buf_init_secret(&pkcs8, PKCS8_MAX);
	buf_init(&csr, CSR_MAX);
	if (node)
		dns.at[dns.count++] = span_str(node);
	TRY(signkey_new(KEY_P256, 0, &key, f));
	TRY(signkey_format(key, &pkcs8));
	if (csr_build(key, NULL, &dns, &csr) != OK)
		return fault_set(f, ERR_INVALID,
				 "this node's name is no DNS name: '%s'",
				 node ? node : "");
	TRY(attrs_add(out, "key", ATTR_CONFIDENTIAL, pkcs8.p, pkcs8.len));
	return attrs_add(out, "csr", 0, csr.p, csr.len);
}

/* Of this node, or of whatever the token says; not of what it was to be before. */
static bool names(const struct csr *c, const char *node)
{
	return !c->dns.count ||
	       (node && c->dns.count == 1 && span_is(c->dns.at[0], node));
}

/* Do they go together, as they were written? */
static bool usable(const struct attrs *a, const char *node)
{
	AUTO(signkey_free) struct signkey *key = NULL;
	struct attr k, c;
	struct csr csr;

	return attr_only(attrs_view(a), "key", &k) == OK &&
	       attr_only(attrs_view(a), "csr", &c) == OK &&
	       signkey_parse(span_of(k.value, k.len), &key, NULL) == OK &&
	       csr_parse(span_of(c.value, c.len), &csr, NULL) == OK &&
	       span_equal(csr.key.spki, signkey_spki(key)) && names(&csr, node);
}

enum err key_next(const char *name, const char *node, struct attrs *out,
		  struct fault *f)
{
	enum err e = net_file_read(name, out, f);

	if (e == OK && usable(out, node))
		return OK;
	if (e != OK && e != ERR_NOT_FOUND && e != ERR_INVALID)
		return e;
	attrs_clear(out);
	TRY(make(node, out, f));
	return net_file_write(name, out, f);
}

enum err key_token(int fd, struct token *t, struct fault *f)
{
	AUTO(buf_wipe) struct buf text = { 0 };
	uint8_t *at;
	ssize_t n;

	if (fd < 0)
		return fault_set(f, ERR_NOT_FOUND, "there is no token");
	buf_init_secret(&text, TOKEN_FILE_MAX);
	TRY(buf_grow(&text, TOKEN_FILE_MAX, &at));
	n = pread(fd, at, TOKEN_FILE_MAX, 0);
	if (n < 0)
		return fault_set(f, ERR_UNAVAILABLE,
				 "the token's file cannot be read: %s",
				 strerror(errno));
	return token_parse((const char *)at, (size_t)n, t, f);
}

/* ---- requests */

static const struct json_field enrol_fields[] = {
	{ .name = "token_id", .kind = JSON_HEX },
	{ .name = "csr", .kind = JSON_BASE64 },
	{ .name = "signature", .kind = JSON_BASE64 },
	{ .name = "endpoint", .kind = JSON_TEXT },
	{ .name = "source", .kind = JSON_TEXT },
};

static const struct json_field renew_fields[] = {
	{ .name = "csr", .kind = JSON_BASE64 },
};

static enum err sign(const struct token *t, const struct attr *csr,
		     uint8_t sig[TOKEN_SIG], struct fault *f)
{
	uint8_t hash[TOKEN_HASH];
	struct pubkey key;
	struct cert c;

	TRY(trust_parse(trust_issuing(), &c, f));
	TRY(pubkey_parse(c.spki, &key, f));
	pubkey_hash(&key, hash);
	token_sign(t, hash, csr->value, csr->len, sig);
	return OK;
}

enum err key_enrol_json(const struct attrs *next, const struct token *t,
			const char *endpoint, const char *source,
			struct buf *out, struct fault *f)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	uint8_t sig[TOKEN_SIG];
	struct attr csr;

	attrs_init(&a);
	TRY(attr_only(attrs_view(next), "csr", &csr));
	TRY(sign(t, &csr, sig, f));
	TRY(attrs_add(&a, "token_id", 0, t->id, TOKEN_ID));
	TRY(attrs_add_attr(&a, &csr));
	TRY(attrs_add(&a, "signature", 0, sig, sizeof sig));
	if (endpoint)
		TRY(attrs_add_str(&a, "endpoint", endpoint));
	if (source)
		TRY(attrs_add_str(&a, "source", source));
	return json_attrs_format(attrs_view(&a), enrol_fields,
				 NELEM(enrol_fields), out);
}

enum err key_renew_json(const struct attrs *next, struct buf *out,
			struct fault *f)
{
	(void)f;
	return json_attrs_format(attrs_view(next), renew_fields,
				 NELEM(renew_fields), out);
}
