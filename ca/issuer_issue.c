/* Issuer: certificates for holders of certificates: issuing by capability, renewing
 * one's own; and the gate's own certificate. */
#include "ca/issuer.h"

#include "lib/dns_name.h"
#include "lib/log.h"

#include <stdio.h>
#include <stdlib.h>

static void finish(struct order *o, const struct fault *f)
{
	struct attrs reply;

	if (f && (f->code == ERR_UNAVAILABLE || f->code == ERR_LIMITED)) {
		ask_fault(&o->ask, f);
	} else if (f) {
		txn_refuse(&o->ask, o->event, attrs_view(&o->asked), f);
	} else {
		attrs_init(&reply);
		ENSURE(order_answer(o, &reply) == OK);
		ask_reply(&o->ask, &reply);
		attrs_wipe(&reply);
	}
	repeat_end(o);
	order_free(o);
}

static void refuse(struct order *o, const struct fault *f)
{
	o->finish(o, f);
}

static struct order *begin(const struct ask *a, const char *event)
{
	struct order *o = order_new(a);

	o->event = event;
	o->finish = finish;
	return o;
}

/* issue: type, node and maybe agent are the caller's wish; his capabilities decide. */

static enum err may(const struct tls_peer *p, const struct order *o,
		    struct fault *f)
{
	const struct profile *profile =
		profiles_find(issuer.profiles, span_str(o->profile));

	TRY(profiles_read(f));
	TRY(type_check(span_str(o->profile), f));
	if (!profile || !strncmp(o->profile, "ca-", 3))
		return fault_set(f, ERR_DENIED,
				 "there is no profile '%s', or you may not "
				 "have certificates of it made",
				 o->profile);
	TRY(ca_node_check(&issuer.scope, span_str(o->node), f));
	return profile_may_issue(profile, span_str(o->node), &p->cert.caps, f);
}

/* Only who says himself for which agent can ask twice for the same. */
static enum err says_repeat(const struct order *o, struct attr_view v,
			    bool *repeat, struct fault *f)
{
	struct attr a;

	*repeat = attr_find(v, "repeat", &a) && attr_is(&a, "yes");
	if (!*repeat || o->agent[0])
		return OK;
	return fault_set(f, ERR_INVALID,
			 "'repeat' needs 'agent': without it the CA chooses "
			 "another one for every certificate");
}

void issue_run(const struct ask *a, struct attr_view v)
{
	const struct tls_peer *p = peer_find(a->peer);
	struct order *o = begin(a, "issue");
	struct fault f;
	bool repeat;

	if (issuer_open(&f) != OK ||
	    call_need(v, "type", o->profile, sizeof o->profile, &f) != OK ||
	    call_need(v, "node", o->node, sizeof o->node, &f) != OK ||
	    may(p, o, &f) != OK || order_take(o, v, &f) != OK ||
	    says_repeat(o, v, &repeat, &f) != OK) {
		refuse(o, &f);
		return;
	}
	if (o->agent[0])
		repeat_run(o, repeat);
	else
		order_run(o);
}

/* renew: everything stays but the key and the dates. */

static void copy(char *out, size_t size, struct span s)
{
	(void)snprintf(out, size, "%.*s", (int)s.n, (const char *)s.p);
}

static enum err keep_names(struct order *o, const struct cert *c,
			   struct fault *f)
{
	char own[DNS_NAME_MAX + 1];
	int n = snprintf(own, sizeof own, "%s.%s", o->agent, o->node);

	for (unsigned i = 0; i < c->dns.count; i++) {
		struct span s = c->dns.at[i];

		if (n > 0 && s.n == (size_t)n && !memcmp(s.p, own, s.n))
			continue; /* made anew anyway */
		if (attrs_add(&o->asked, "dns", 0, s.p, s.n) != OK)
			return fault_set(f, ERR_TOO_LARGE, "too many names");
	}
	for (unsigned i = 0; i < c->uri.count; i++) {
		struct span s = c->uri.at[i];

		if (s.n > 9 && !memcmp(s.p, "spiffe://", 9))
			continue;
		if (attrs_add(&o->asked, "uri", 0, s.p, s.n) != OK)
			return fault_set(f, ERR_TOO_LARGE, "too many names");
	}
	return OK;
}

static enum err only_old(const struct cert_names *asked,
			 const struct cert_names *old, struct fault *f)
{
	char room[DNS_SHOWN];
	unsigned j;

	for (unsigned i = 0; i < asked->count; i++) {
		for (j = 0; j < old->count; j++)
			if (span_equal(asked->at[i], old->at[j]))
				break;
		if (j == old->count)
			return fault_set(
				f, ERR_DENIED,
				"name '%s' is not in the certificate: "
				"a renewal keeps the names as they "
				"are, for others have a new one issued",
				dns_shown(asked->at[i], room));
	}
	return OK;
}

enum err renew_check(const struct order *o, struct fault *f)
{
	if (span_equal(o->parsed.key.spki, o->old->spki))
		return fault_set(f, ERR_INVALID,
				 "this is the key of the certificate: a "
				 "renewal needs a new key");
	TRY(only_old(&o->parsed.dns, &o->old->dns, f));
	return only_old(&o->parsed.uri, &o->old->uri, f);
}

void renew_run(const struct ask *a, struct attr_view v)
{
	const struct tls_peer *p = peer_find(a->peer);
	struct order *o = begin(a, "renew");
	const struct dn *dn = &p->cert.subject;
	struct fault f;

	copy(o->profile, sizeof o->profile, dn->o);
	copy(o->node, sizeof o->node, dn->ou);
	if (issuer_open(&f) != OK || order_take(o, v, &f) != OK) {
		refuse(o, &f);
		return;
	}
	copy(o->agent, sizeof o->agent, dn->uid);
	o->replaces = p->serial;
	o->has_replaces = true;
	o->old = &p->cert;
	if (keep_names(o, &p->cert, &f) != OK) {
		refuse(o, &f);
		return;
	}
	order_run(o);
}

/* gate's own: names come from the configuration, the key from gate. */

static struct fault tls_fault; /* why gate has got none; code OK: it has */

enum err tls_attention(struct attrs *out)
{
	if (tls_fault.code == OK)
		return OK;
	return attrs_add_fmt(out, "attention",
			     "the HTTPS port has no certificate: %s: set "
			     "tls_names= in ca.conf",
			     tls_fault.text);
}

static void tls_finish(struct order *o, const struct fault *f)
{
	struct attrs reply;

	tls_fault = f ? *f : (struct fault){ .code = OK };
	if (f) {
		log_text(LOG_ERR, "tls_certificate", "%s", f->text);
		ask_fault(&o->ask, f);
	} else {
		attrs_init(&reply);
		ENSURE(order_answer(o, &reply) == OK);
		ENSURE(attrs_add_u64(&reply, "end", (uint64_t)o->not_after) ==
		       OK);
		ask_reply(&o->ask, &reply);
		attrs_wipe(&reply);
	}
	order_free(o);
}

static enum err put_tls_names(struct order *o, struct fault *f)
{
	if (attrs_add_view(&o->asked, attrs_view(&issuer.tls_names)) == OK)
		return OK;
	return fault_set(f, ERR_TOO_LARGE, "there are too many names");
}

void tls_run(const struct ask *a, struct attr_view v)
{
	struct order *o = begin(a, "ca.tls");
	struct fault f;

	o->finish = tls_finish;
	(void)snprintf(o->profile, sizeof o->profile, "ca-tls");
	if (issuer_open(&f) != OK || order_take(o, v, &f) != OK ||
	    put_tls_names(o, &f) != OK) {
		tls_finish(o, &f);
		return;
	}
	order_run(o);
}
