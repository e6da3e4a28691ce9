/* Revocation lists, the writing half: used by the issuer (entries, head, tail) and by
 * who puts the signature after them. Holds nothing. */
#include "lib/crl_form.h"

#include "lib/clock.h"

#include <string.h>

enum {
	TAG_KEY_ID = DER_CTX | 0,
	TAG_POINT = DER_CTX_SEQ | 0,
	TAG_FULL_NAME = DER_CTX_SEQ | 0,
	TAG_URI = DER_CTX | 6,
	CRL_V2 = 1,
	KEY_ID = 20,
};

const uint8_t crl_reason_form[ENTRY_REASON] = {
	0x30, 0x0c, 0x30, 0x0a, 0x06, 0x03, 0x55,
	0x1d, 0x15, 0x04, 0x03, 0x0a, 0x01,
};

bool crl_reason_ok(unsigned reason)
{
	return reason >= 1 && reason <= ENTRY_REASON_LAST && reason != 7 &&
	       reason != 8;
}

static bool entry_ok(const struct crl_entry *e)
{
	static const int64_t most = 253402300799; /* 9999-12-31T23:59:59Z */
	uint8_t instance = e->serial.b[0];

	return instance >= 1 && instance <= 0x7f && e->at >= 0 &&
	       e->at <= most && (!e->reason || crl_reason_ok(e->reason));
}

size_t crl_entry_size(const struct crl_entry *e)
{
	size_t n = ENTRY_HEAD + SERIAL_SIZE + 2;

	if (!entry_ok(e))
		return 0;
	n += e->at < CRL_UTC_END ? ENTRY_UTC : ENTRY_GENERAL;
	return e->reason ? n + ENTRY_REASON + 1 : n;
}

static uint8_t *pair_write(uint8_t *at, int v)
{
	at[0] = (uint8_t)('0' + v / 10);
	at[1] = (uint8_t)('0' + v % 10);
	return at + 2;
}

static uint8_t *time_write(uint8_t *at, int64_t t)
{
	bool utc = t < CRL_UTC_END;
	struct civil c;

	clock_civil(t, &c);
	*at++ = utc ? DER_UTC_TIME : DER_TIME;
	*at++ = utc ? ENTRY_UTC : ENTRY_GENERAL;
	if (!utc)
		at = pair_write(at, c.year / 100);
	at = pair_write(at, c.year % 100);
	at = pair_write(at, c.month);
	at = pair_write(at, c.day);
	at = pair_write(at, c.hour);
	at = pair_write(at, c.minute);
	at = pair_write(at, c.second);
	*at++ = 'Z';
	return at;
}

enum err crl_entry_put(struct buf *b, const struct crl_entry *e)
{
	size_t n = crl_entry_size(e);
	uint8_t *at;

	if (!n)
		return ERR_INVALID;
	TRY(buf_grow(b, n, &at));
	at[0] = DER_SEQ;
	at[1] = (uint8_t)(n - 2);
	at[2] = DER_INTEGER;
	at[3] = SERIAL_SIZE;
	memcpy(at + ENTRY_HEAD, e->serial.b, SERIAL_SIZE);
	at = time_write(at + ENTRY_HEAD + SERIAL_SIZE, e->at);
	if (!e->reason)
		return OK;
	memcpy(at, crl_reason_form, ENTRY_REASON);
	at[ENTRY_REASON] = (uint8_t)e->reason;
	return OK;
}

enum err crl_big_put(struct buf *b, unsigned tag, uint64_t n)
{
	size_t head = der_head_size((size_t)n);
	uint8_t *at;

	if (n > CRL_SIZE_MAX)
		return ERR_TOO_LARGE;
	TRY(buf_grow(b, head, &at));
	at[0] = (uint8_t)tag;
	at[1] = head == 2 ? (uint8_t)n : (uint8_t)(0x80 | (head - 2));
	for (size_t i = head - 1; i >= 2; i--, n >>= 8)
		at[i] = (uint8_t)n;
	return OK;
}

/* version, signature, issuer, thisUpdate, nextUpdate */
static enum err fields_put(struct buf *b, const struct crl_head *h)
{
	size_t name = b->len;

	if (h->next_update <= h->this_update)
		return ERR_INVALID;
	TRY(der_put_u64(b, DER_INTEGER, CRL_V2));
	TRY(sig_alg_put(b, h->alg));
	name = b->len;
	TRY(dn_put(b, &h->issuer));
	/* a list without an issuer is nobody's */
	if (b->len <= name + 2)
		return ERR_INVALID;
	TRY(der_put_time(b, h->this_update));
	return der_put_time(b, h->next_update);
}

enum err crl_head_put(struct buf *b, const struct crl_head *h, uint64_t entries)
{
	AUTO(buf_wipe) struct buf fields = { .max = CRL_HEAD_MAX };
	AUTO(buf_wipe) struct buf tail = { .max = CRL_TAIL_MAX };
	uint64_t size;

	if (entries > CRL_SIZE_MAX)
		return ERR_TOO_LARGE;
	TRY(fields_put(&fields, h));
	if (entries)
		TRY(crl_big_put(&fields, DER_SEQ, entries));
	TRY(crl_tail_put(&tail, h));
	size = fields.len + entries + tail.len;
	if (der_head_size((size_t)size) + fields.len > CRL_HEAD_MAX)
		return ERR_TOO_LARGE;
	TRY(crl_big_put(b, DER_SEQ, size));
	return buf_put(b, fields.p, fields.len);
}

static enum err key_put(struct buf *b, struct span key)
{
	size_t ext, value, seq;

	if (key.n != KEY_ID)
		return ERR_INVALID;
	TRY(der_begin(b, DER_SEQ, &ext));
	TRY(oid_put(b, OID_AUTHORITY_KEY_ID));
	TRY(der_begin(b, DER_OCTETS, &value));
	TRY(der_begin(b, DER_SEQ, &seq));
	TRY(der_put_span(b, TAG_KEY_ID, key));
	TRY(der_end(b, seq));
	TRY(der_end(b, value));
	return der_end(b, ext);
}

static enum err number_put(struct buf *b, uint64_t number)
{
	size_t ext, value;

	TRY(der_begin(b, DER_SEQ, &ext));
	TRY(oid_put(b, OID_CRL_NUMBER));
	TRY(der_begin(b, DER_OCTETS, &value));
	TRY(der_put_u64(b, DER_INTEGER, number));
	TRY(der_end(b, value));
	return der_end(b, ext);
}

static bool url_ok(struct span url)
{
	if (url.n > URI_MAX)
		return false;
	for (size_t i = 0; i < url.n; i++)
		if (url.p[i] <= ' ' || url.p[i] >= 0x7f)
			return false;
	return true;
}

static enum err point_put(struct buf *b, struct span url)
{
	size_t ext, value, seq, point, name;

	if (!url.n)
		return OK;
	if (!url_ok(url))
		return ERR_INVALID;
	TRY(der_begin(b, DER_SEQ, &ext));
	TRY(oid_put(b, OID_ISSUING_POINT));
	TRY(der_put_bool(b, true));
	TRY(der_begin(b, DER_OCTETS, &value));
	TRY(der_begin(b, DER_SEQ, &seq));
	TRY(der_begin(b, TAG_POINT, &point));
	TRY(der_begin(b, TAG_FULL_NAME, &name));
	TRY(der_put_span(b, TAG_URI, url));
	TRY(der_end(b, name));
	TRY(der_end(b, point));
	TRY(der_end(b, seq));
	TRY(der_end(b, value));
	return der_end(b, ext);
}

enum err crl_tail_put(struct buf *b, const struct crl_head *h)
{
	size_t outer, list;

	TRY(der_begin(b, TAG_EXTENSIONS, &outer));
	TRY(der_begin(b, DER_SEQ, &list));
	TRY(key_put(b, h->authority_key));
	TRY(number_put(b, h->number));
	TRY(point_put(b, h->point));
	TRY(der_end(b, list));
	return der_end(b, outer);
}

enum err crl_outer_put(struct buf *b, uint64_t tbs, enum sig_alg alg,
		       size_t sig)
{
	AUTO(buf_wipe) struct buf name = { .max = CRL_TAIL_MAX };

	if (tbs > CRL_SIZE_MAX || sig > CRL_SIG_MAX)
		return ERR_TOO_LARGE;
	TRY(sig_alg_put(&name, alg));
	return crl_big_put(b, DER_SEQ,
			   tbs + name.len + der_head_size(sig + 1) + sig + 1);
}

enum err crl_sig_put(struct buf *b, enum sig_alg alg, struct span sig)
{
	if (sig.n > CRL_SIG_MAX)
		return ERR_TOO_LARGE;
	TRY(sig_alg_put(b, alg));
	return der_put_bits(b, sig.p, sig.n);
}
