/* Used by ca (issuer, signer), verifiers and the command; holds nothing. */
#include "lib/dn.h"

#include "lib/enc.h"
#include "lib/oid.h"

#include <string.h>

/* The attributes in the order they stand in; the domain's labels come first. */
static const enum oid DN_ORDER[] = { OID_DC, OID_O, OID_OU, OID_UID, OID_CN };

/* UTF-8 without control characters, neither C0, DEL nor C1 (C2 80..9F). */
static bool dn_text_ok(struct span s)
{
	if (s.n > DN_PART_MAX || !enc_utf8_ok(s.p, s.n))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 0x20 || s.p[i] == 0x7f ||
		    (s.p[i] == 0xc2 && s.p[i + 1] < 0xa0))
			return false;
	return true;
}

static bool dn_label_char(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '-';
}

static bool dn_label_ok(struct span s)
{
	if (!s.n || s.n > DN_LABEL_MAX || s.p[0] == '-' || s.p[s.n - 1] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!dn_label_char(s.p[i]))
			return false;
	return true;
}

static enum err dn_put_rdn(struct buf *b, enum oid o, unsigned tag,
			   struct span value)
{
	size_t set, seq;

	TRY(der_begin(b, DER_SET, &set));
	TRY(der_begin(b, DER_SEQ, &seq));
	TRY(oid_put(b, o));
	TRY(der_put_span(b, tag, value));
	TRY(der_end(b, seq));
	return der_end(b, set);
}

static enum err dn_put_domain(struct buf *b, struct span domain)
{
	if (domain.n > DN_DOMAIN_MAX)
		return ERR_INVALID;
	for (size_t end = domain.n, at = end; end; at = end) {
		while (at && domain.p[at - 1] != '.')
			at--;
		if (!dn_label_ok(span_of(domain.p + at, end - at)))
			return ERR_INVALID;
		TRY(dn_put_rdn(b, OID_DC, DER_IA5,
			       span_of(domain.p + at, end - at)));
		if (!at)
			return OK;
		if (at == 1) /* a dot in front */
			return ERR_INVALID;
		end = at - 1;
	}
	return OK;
}

static enum err dn_put_part(struct buf *b, enum oid o, struct span value)
{
	if (!dn_text_ok(value))
		return ERR_INVALID;
	return value.n ? dn_put_rdn(b, o, DER_UTF8, value) : OK;
}

enum err dn_put(struct buf *b, const struct dn *dn)
{
	size_t m;

	TRY(der_begin(b, DER_SEQ, &m));
	TRY(dn_put_domain(b, dn->domain));
	TRY(dn_put_part(b, OID_O, dn->o));
	TRY(dn_put_part(b, OID_OU, dn->ou));
	TRY(dn_put_part(b, OID_UID, dn->uid));
	TRY(dn_put_part(b, OID_CN, dn->cn));
	return der_end(b, m);
}

static enum err dn_get_rdn(struct rd *r, enum oid *o, struct span *value)
{
	struct rd set, seq;

	TRY(der_get(r, DER_SET, &set));
	TRY(der_get(&set, DER_SEQ, &seq));
	TRY(rd_end(&set));
	TRY(oid_get(&seq, o));
	TRY(der_span(&seq, *o == OID_DC ? DER_IA5 : DER_UTF8, value));
	return rd_end(&seq);
}

/* The label goes in front of what is there already. */
static enum err dn_add_label(char *room, size_t *len, struct span label)
{
	size_t dot = *len > 0;

	if (!dn_label_ok(label) || *len + label.n + dot > DN_DOMAIN_MAX)
		return ERR_INVALID;
	memmove(room + label.n + dot, room, *len);
	memcpy(room, label.p, label.n);
	if (dot)
		room[label.n] = '.';
	*len += label.n + dot;
	room[*len] = 0;
	return OK;
}

enum err dn_get(struct rd *r, char room[DN_DOMAIN_MAX + 1], struct dn *dn)
{
	struct dn got = { .domain = { .n = 0 } };
	struct span *part[] = { NULL, &got.o, &got.ou, &got.uid, &got.cn };
	struct rd at = *r, names;
	size_t rank = 0, len = 0;

	_Static_assert(NELEM(part) == NELEM(DN_ORDER), "a place for each");
	room[0] = 0;
	TRY(der_get(&at, DER_SEQ, &names));
	while (rd_left(&names)) {
		struct span value;
		enum oid o;

		TRY(dn_get_rdn(&names, &o, &value));
		if (rank == 0 && o == OID_DC) {
			TRY(dn_add_label(room, &len, value));
			continue;
		}
		do /* each once, in the order */
			if (++rank == NELEM(DN_ORDER))
				return ERR_INVALID;
		while (DN_ORDER[rank] != o);
		if (!value.n || !dn_text_ok(value))
			return ERR_INVALID;
		*part[rank] = value;
	}
	got.domain = span_of(len ? room : NULL, len);
	*dn = got;
	*r = at;
	return OK;
}
