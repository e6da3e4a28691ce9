/* A certificate made of a profile and a wish. Pure functions, run by ca's issuer; the
 * signer makes the same certificate again to compare (lib/profile_check.c). Holds
 * nothing. */
#include "lib/dns_name.h"
#include "lib/profile_in.h"

#include <string.h>

void profile_room_wipe(struct profile_room *room)
{
	buf_wipe(&room->text);
}

/* What everything is made of. */
struct make {
	const struct profile *p;
	const struct ca_scope *s;
	const struct wish *w;
	struct profile_room *room;
	struct cert *out;
};

/* Texts. The room is reserved once, so that none of them moves. */

static enum err room_ready(struct profile_room *room)
{
	if (!room->text.max)
		buf_init(&room->text, PROFILE_ROOM);
	buf_clear(&room->text);
	return buf_reserve(&room->text, PROFILE_ROOM);
}

/* What was written since the text had that length. */
static struct span text_from(const struct profile_room *room, size_t at)
{
	return span_of(room->text.p + at, room->text.len - at);
}

/* Without duplicates. */
static enum err name_add(struct cert_names *n, struct span name,
			 struct fault *f)
{
	for (unsigned i = 0; i < n->count; i++)
		if (span_equal(n->at[i], name))
			return OK;
	if (n->count == CERT_NAMES_MAX)
		return fault_set(f, ERR_INVALID,
				 "a certificate has at most %d names of a kind",
				 CERT_NAMES_MAX);
	n->at[n->count++] = name;
	return OK;
}

/* Names. */

static enum err agent_check(const struct make *m, struct fault *f)
{
	TRY(ca_node_check(m->s, m->w->node, f));
	return agent_id_check(m->w->agent, f);
}

static enum err own_name(const struct make *m, struct span *name)
{
	size_t at = m->room->text.len;

	TRY(buf_put(&m->room->text, m->w->agent.p, m->w->agent.n));
	TRY(buf_str(&m->room->text, "."));
	TRY(buf_put(&m->room->text, m->w->node.p, m->w->node.n));
	*name = text_from(m->room, at);
	return OK;
}

static enum err asked_dns(const struct make *m, struct fault *f)
{
	for (unsigned i = 0; i < m->w->dns.count; i++) {
		TRY(profile_dns_check(m->p, m->s, m->w, m->w->dns.at[i], f));
		TRY(name_add(&m->out->dns, m->w->dns.at[i], f));
	}
	return OK;
}

static enum err asked_uris(const struct make *m, struct fault *f)
{
	for (unsigned i = 0; i < m->w->uri.count; i++) {
		TRY(profile_uri_check(m->p, m->w, m->w->uri.at[i], f));
		TRY(name_add(&m->out->uri, m->w->uri.at[i], f));
	}
	return OK;
}

static struct dn agent_subject(const struct make *m)
{
	return (struct dn){ .domain = span_str(m->s->domain[0]),
			    .o = span_str(m->p->name),
			    .ou = m->w->node,
			    .uid = m->w->agent };
}

static enum err agent_names(const struct make *m, struct fault *f)
{
	struct span own;

	TRY(agent_check(m, f));
	m->out->subject = agent_subject(m);
	m->out->subject.cn = m->w->agent;
	TRY(own_name(m, &own));
	TRY(name_add(&m->out->dns, own, f));
	TRY(asked_dns(m, f));
	return asked_uris(m, f);
}

/* Exactly one URI, which may be asked for. */
static enum err spiffe_names(const struct make *m, struct fault *f)
{
	size_t at = m->room->text.len;
	const struct wish *w = m->w;

	TRY(agent_check(m, f));
	m->out->subject = agent_subject(m);
	TRY(asked_dns(m, f));
	for (unsigned i = 0; i < w->uri.count; i++)
		if (!profile_own_spiffe(m->p, m->s, w, w->uri.at[i]))
			TRY(profile_uri_check(m->p, w, w->uri.at[i], f));
	TRY(buf_fmt(&m->room->text, "spiffe://%s/%s/%.*s", m->s->trust_domain,
		    m->p->name, (int)w->agent.n, (const char *)w->agent.p));
	return name_add(&m->out->uri, text_from(m->room, at), f);
}

static enum err no_agent(const struct make *m, struct fault *f)
{
	if (m->w->node.n || m->w->agent.n)
		return fault_set(f, ERR_INVALID, "profile '%s' is for no agent",
				 m->p->name);
	return OK;
}

static enum err tls_names(const struct make *m, struct fault *f)
{
	TRY(no_agent(m, f));
	if (!m->w->dns.count)
		return fault_set(f, ERR_INVALID,
				 "the CA's own certificate needs a DNS name");
	TRY(asked_dns(m, f));
	TRY(asked_uris(m, f));
	if (m->out->dns.at[0].n > DN_PART_MAX)
		return fault_set(f, ERR_INVALID,
				 "the first name of the CA's own certificate "
				 "has at most %d bytes",
				 DN_PART_MAX);
	m->out->subject = (struct dn){ .domain = span_str(m->s->domain[0]),
				       .o = span_str(m->p->name),
				       .ou = m->out->dns.at[0] };
	return OK;
}

static enum err ocsp_names(const struct make *m, struct fault *f)
{
	const uint8_t *id = m->room->subject_key;
	size_t at = m->room->text.len;

	TRY(no_agent(m, f));
	TRY(asked_dns(m, f));
	TRY(asked_uris(m, f));
	TRY(buf_fmt(&m->room->text, "Cretula OCSP %02x%02x%02x%02x", id[0],
		    id[1], id[2], id[3]));
	m->out->subject = (struct dn){ .domain = span_str(m->s->domain[0]),
				       .o = span_str(m->p->name),
				       .cn = text_from(m->room, at) };
	return OK;
}

static enum err names(const struct make *m, struct fault *f)
{
	switch (m->p->kind) {
	case PROFILE_AGENT:
		return agent_names(m, f);
	case PROFILE_SPIFFE:
		return spiffe_names(m, f);
	case PROFILE_TLS:
		return tls_names(m, f);
	case PROFILE_OCSP:
		return ocsp_names(m, f);
	}
	UNREACHABLE("profile kind");
}

/* Key, serial, usage. */

static enum err identity(const struct make *m, struct fault *f)
{
	const struct pubkey *k = m->w->key;
	const struct serial *n = m->w->serial;

	if (!(m->p->keys & 1u << k->type))
		return fault_set(f, ERR_DENIED,
				 "profile '%s' does not allow %s keys",
				 m->p->name, key_type_name(k->type));
	if (serial_instance(n) != m->s->instance || !serial_number(n))
		return fault_set(f, ERR_INVALID,
				 "the serial is not one of this CA's instance");
	pubkey_id(k, m->room->subject_key);
	if (!memcmp(m->room->subject_key, m->s->key_id, sizeof m->s->key_id))
		return fault_set(f, ERR_DENIED,
				 "this key is the CA's own: make another");
	m->out->serial = span_of(n->b, sizeof n->b);
	m->out->alg = m->s->alg;
	m->out->issuer = m->s->name;
	m->out->spki = k->spki;
	m->out->subject_key =
		span_of(m->room->subject_key, sizeof m->room->subject_key);
	m->out->authority_key = span_of(m->s->key_id, sizeof m->s->key_id);
	return OK;
}

static void usage(const struct make *m)
{
	m->out->path_len = -1;
	m->out->key_usage = KU_DIGITAL_SIGNATURE;
	m->out->ext_usage = m->p->usage;
	if (m->p->kind == PROFILE_OCSP) {
		m->out->ext_usage = EKU_OCSP;
		m->out->nocheck = true;
	} else if (m->w->key->type == KEY_RSA) {
		m->out->key_usage |= KU_KEY_ENCIPHERMENT;
	}
}

/* Where its revocation is told; an OCSP signer's is not asked for. */
static enum err urls(const struct make *m)
{
	struct buf *b = &m->room->text;
	size_t at = b->len;

	if (m->p->kind == PROFILE_OCSP)
		return OK;
	TRY(buf_fmt(b, "%s/crl/%u", m->s->url,
		    (unsigned)(serial_number(m->w->serial) % m->s->shards)));
	m->out->crl_url = text_from(m->room, at);
	at = b->len;
	TRY(buf_fmt(b, "%s/ocsp", m->s->url));
	m->out->ocsp_url = text_from(m->room, at);
	at = b->len;
	TRY(buf_fmt(b, "%s/issuer.der", m->s->url));
	m->out->issuer_url = text_from(m->room, at);
	return OK;
}

/* Capabilities. */

/* Two templates may come to the same. */
static enum err capabilities(const struct make *m, struct fault *f)
{
	struct cert_names *caps = &m->out->caps;
	struct span one;

	for (unsigned i = 0; i < m->p->n_caps; i++) {
		struct span t = span_str(m->p->cap[i]);

		if (capability_fill(t, m->w->node, m->room->caps[i], &one) !=
		    OK)
			return fault_set(f, ERR_INVALID,
					 "capability '%s' of profile '%s' is "
					 "too long for this node",
					 m->p->cap[i], m->p->name);
		TRY(name_add(caps, one, f));
	}
	capabilities_sort(caps);
	return OK;
}

enum err profile_make(const struct profile *p, const struct ca_scope *s,
		      const struct wish *w, struct profile_room *room,
		      struct cert *out, struct fault *f)
{
	const struct make m = { p, s, w, room, out };

	memset(out, 0, sizeof *out);
	if (room_ready(room) != OK)
		return fault_set(f, ERR_INTERNAL, "no room for a certificate");
	TRY(identity(&m, f));
	usage(&m);
	TRY(names(&m, f));
	TRY(capabilities(&m, f));
	TRY(urls(&m));
	return OK;
}

/* Times. */

static enum err life_check(const struct profile *p, const struct wish *w,
			   uint64_t *life, struct fault *f)
{
	*life = w->life ? w->life : p->life;
	if (w->delay > PROFILE_DELAY_MAX)
		return fault_set(f, ERR_INVALID,
				 "a certificate may begin %d s later, not "
				 "%llu s",
				 PROFILE_DELAY_MAX,
				 (unsigned long long)w->delay);
	if (*life < PROFILE_LIFE_MIN)
		return fault_set(f, ERR_INVALID,
				 "a certificate lives at least %d s, not "
				 "%llu s",
				 PROFILE_LIFE_MIN, (unsigned long long)*life);
	if (*life > p->max_life)
		return fault_set(f, ERR_DENIED,
				 "a life of %llu s is over the maximum of "
				 "profile '%s', %llu s",
				 (unsigned long long)*life, p->name,
				 (unsigned long long)p->max_life);
	return OK;
}

static enum err times(const struct profile *p, const struct ca_scope *s,
		      const struct wish *w, struct cert *out, struct fault *f)
{
	int64_t begin, end, start;
	uint64_t life;

	TRY(life_check(p, w, &life, f));
	start = w->now + (int64_t)w->delay;
	begin = w->delay ? start : start - PROFILE_BACKDATE;
	begin = MAX(begin, s->not_before);
	end = MIN(start + (int64_t)life, s->not_after);
	if (end - MAX(start, begin) < PROFILE_LIFE_MIN)
		return fault_set(f, ERR_EXPIRED,
				 "the issuing CA's certificate ends too soon: "
				 "renew it with 'cretula ca root --renew'");
	out->not_before = begin;
	out->not_after = end;
	return OK;
}

enum err profile_fill(const struct profile *p, const struct ca_scope *s,
		      const struct wish *w, struct profile_room *room,
		      struct cert *out, struct fault *f)
{
	struct cert c;

	TRY(profile_make(p, s, w, room, &c, f));
	TRY(times(p, s, w, &c, f));
	*out = c;
	return OK;
}
