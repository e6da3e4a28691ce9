/* net: the node's certificate, its key, and the token it came by: one file, replaced
 * whole, so that they always go together. Holds the private key while it is read or
 * written. */
#include "certmgr/net_self.h"

#include "lib/serial.h"

#include <stdio.h>
#include <string.h>

static const char file[] = "node";

static enum err broken(struct fault *f)
{
	return fault_set(f, ERR_INVALID,
			 "the file '%s' of net's state folder lacks something",
			 file);
}

static enum err span_in(const struct attrs *a, const char *name,
			struct span *out, struct fault *f)
{
	struct attr one;

	if (attr_only(attrs_view(a), name, &one) != OK || !one.len)
		return broken(f);
	*out = span_of(one.value, one.len);
	return OK;
}

static enum err check_node(const struct cert *c, const char *want,
			   struct fault *f)
{
	const struct span n = c->subject.ou;

	if (!(c->ext_usage & EKU_CLIENT) || !n.n || n.n > SELF_NODE_MAX ||
	    memchr(n.p, 0, n.n))
		return fault_set(f, ERR_INVALID,
				 "the certificate is not one of a node: make "
				 "the token with 'cretula ca token --type node "
				 "--node NAME'");
	if (want && !span_is(n, want))
		return fault_set(f, ERR_CONFLICT,
				 "the certificate is for node '%.*s', but this "
				 "is to be node '%s'",
				 (int)n.n, (const char *)n.p, want);
	return OK;
}

static void describe(const struct cert *c, struct self *s)
{
	struct serial serial;

	memcpy(serial.b, c->serial.p, sizeof serial.b);
	serial_format(&serial, s->serial);
	(void)snprintf(s->node, sizeof s->node, "%.*s", (int)c->subject.ou.n,
		       (const char *)c->subject.ou.p);
	s->not_before = c->not_before;
	s->not_after = c->not_after;
	s->there = true;
}

/* From the attributes of the file, which are not believed: the root was changed maybe,
 * or the clock went on. */
static enum err use(const struct attrs *kept, const char *want, struct self *s,
		    struct fault *f)
{
	AUTO(signkey_free) struct signkey *key = NULL;
	struct span der, issuing, pkcs8;
	struct cert c;
	bool changed;

	TRY(span_in(kept, "certificate", &der, f));
	TRY(span_in(kept, "issuing", &issuing, f));
	TRY(span_in(kept, "key", &pkcs8, f));
	TRY(signkey_parse(pkcs8, &key, f));
	TRY(trust_take_issuing(issuing, &changed, f));
	TRY(trust_check(der, signkey_spki(key), &c, f));
	TRY(check_node(&c, want, f));
	TRY(web_identify(&pkcs8, der, issuing, f));
	describe(&c, s);
	return OK;
}

enum err self_load(const char *want, struct self *s, struct fault *f)
{
	AUTO(attrs_wipe) struct attrs kept = { 0 };
	struct attr a;

	attrs_init_secret(&kept);
	TRY(net_file_read(file, &kept, f));
	if (attr_only(attrs_view(&kept), "token", &a) == OK &&
	    a.len == TOKEN_ID) {
		memcpy(s->token, a.value, TOKEN_ID);
		s->enrolled = true;
	}
	s->endpoint[0] = 0;
	if (attr_only(attrs_view(&kept), "endpoint", &a) == OK &&
	    a.len < sizeof s->endpoint) {
		memcpy(s->endpoint, a.value, a.len);
		s->endpoint[a.len] = 0;
	}
	return use(&kept, want, s, f);
}

enum err self_take(const struct attrs *pending, const struct answer_cert *c,
		   const char *want, const uint8_t *token, const char *endpoint,
		   struct self *s, struct fault *f)
{
	AUTO(attrs_wipe) struct attrs kept = { 0 };
	struct self next = *s;
	struct attr key;

	if (token) {
		memcpy(next.token, token, TOKEN_ID);
		next.enrolled = true;
	}
	next.endpoint[0] = 0;
	if (endpoint && c->verify_by)
		(void)snprintf(next.endpoint, sizeof next.endpoint, "%s",
			       endpoint);
	attrs_init_secret(&kept);
	if (attr_only(attrs_view(pending), "key", &key) != OK)
		return broken(f);
	TRY(attrs_add_attr(&kept, &key));
	TRY(attrs_add(&kept, "certificate", 0, c->cert.p, c->cert.len));
	TRY(attrs_add(&kept, "issuing", 0, c->issuing.p, c->issuing.len));
	if (next.enrolled)
		TRY(attrs_add(&kept, "token", 0, next.token, TOKEN_ID));
	if (next.endpoint[0])
		TRY(attrs_add_str(&kept, "endpoint", next.endpoint));
	TRY(use(&kept, want, &next, f));
	/* A disk that is full takes no certificate away: it is used, and asked
	 * for again after the next start. */
	*s = next;
	return net_file_write(file, &kept, f);
}
