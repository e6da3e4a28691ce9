/* Revocation lists, the reading half; run by the signer over what the issuer wants
 * signed, and by verifiers. Holds the head and the tail of one list and at most one entry
 * cut in two: under 8 KiB, however long the list. */
#include "lib/crl_form.h"

#include "lib/clock.h"

#include <stdlib.h>
#include <string.h>

enum reader_state {
	AT_HEAD,
	AT_ENTRIES,
	AT_TAIL,
	BROKEN,
};

struct crl_reader {
	enum reader_state state;
	uint8_t instance;
	uint64_t size, given; /* bytes of the TBSCertList */
	uint8_t head_at[CRL_HEAD_MAX], tail_at[CRL_TAIL_MAX];
	size_t head_n, tail_n;  /* bytes held there */
	size_t head_end;        /* bytes before the first entry */
	uint64_t entries, left; /* bytes of all entries; of those to come */
	uint8_t cut[CRL_ENTRY_MAX];
	size_t cut_n;
	uint64_t count, last; /* entries read; the last one's number */
	struct crl_head head;
	struct span issuer_der;
	char room[DN_DOMAIN_MAX + 1];
	void (*on)(void *arg, const struct crl_entry *e); /* or NULL */
	void *arg;
};

struct crl_reader *crl_reader_new(uint8_t instance, uint64_t size)
{
	struct crl_reader *r = xcalloc(1, sizeof *r);

	r->instance = instance;
	r->size = size;
	return r;
}

void crl_reader_free(struct crl_reader **r)
{
	free(*r);
	*r = NULL;
}

void crl_reader_tell(struct crl_reader *r,
		     void (*on)(void *arg, const struct crl_entry *e),
		     void *arg)
{
	r->on = on;
	r->arg = arg;
}

/* Tag and length of a value that need not all be here. */
static enum err big_get(struct rd *r, unsigned tag, uint64_t *n)
{
	uint64_t v = 0;
	uint8_t b;

	TRY(rd_u8(r, &b));
	if (b != tag)
		return ERR_INVALID;
	TRY(rd_u8(r, &b));
	if (b < 0x80) {
		*n = b;
		return OK;
	}
	if (b == 0x80 || b > 0x84)
		return ERR_INVALID;
	for (unsigned left = b & 0x7fu; left; left--) {
		TRY(rd_u8(r, &b));
		v = v << 8 | b;
	}
	*n = v;
	return OK;
}

static enum err issuer_get(struct crl_reader *r, struct rd *at)
{
	const uint8_t *from = at->p;

	TRY(dn_get(at, r->room, &r->head.issuer));
	r->issuer_der = span_of(from, (size_t)(at->p - from));
	return OK;
}

/* All fields before the entries. What is not minimal here, or out of order in time,
 * shows when the head is written again. */
static enum err head_get(struct crl_reader *r, struct rd *at, struct fault *f)
{
	uint64_t total, version;
	const uint8_t *body;

	TRY(big_get(at, DER_SEQ, &total));
	body = at->p;
	if (total != r->size - (uint64_t)(body - r->head_at))
		return fault_set(
			f, ERR_INVALID,
			"the revocation list has not the size it says");
	TRY(der_u64(at, DER_INTEGER, 1, &version));
	TRY(sig_alg_get(at, &r->head.alg));
	TRY(issuer_get(r, at));
	TRY(der_time(at, &r->head.this_update));
	TRY(der_time(at, &r->head.next_update));
	if (!der_is(at, DER_SEQ))
		return OK;
	TRY(big_get(at, DER_SEQ, &r->entries));
	if (r->entries)
		return OK;
	return fault_set(f, ERR_INVALID,
			 "the revocation list has an empty list of "
			 "certificates, which must be absent");
}

static enum err head_read(struct crl_reader *r, struct fault *f)
{
	struct rd at = rd_from(r->head_at, r->head_n);
	uint64_t after;

	TRY(head_get(r, &at, f));
	r->head_end = (size_t)(at.p - r->head_at);
	after = r->size - r->head_end;
	if (r->entries > after || after - r->entries > CRL_TAIL_MAX)
		return fault_set(f, ERR_INVALID,
				 "the certificates of the revocation list have "
				 "not the size it says");
	r->left = r->entries;
	r->state = r->left ? AT_ENTRIES : AT_TAIL;
	return OK;
}

static bool pair_read(const uint8_t *p, int *v)
{
	unsigned tens = p[0] - (unsigned)'0', ones = p[1] - (unsigned)'0';

	*v = (int)(tens * 10 + ones);
	return tens <= 9 && ones <= 9;
}

static enum err entry_time(struct rd *at, int64_t *t)
{
	struct civil c = { .year = 0 };
	const uint8_t *head, *p;
	int century = 20;
	bool utc, digits;

	TRY(rd_bytes(at, 2, &head));
	utc = head[0] == DER_UTC_TIME;
	if (!utc && head[0] != DER_TIME)
		return ERR_INVALID;
	if (head[1] != (utc ? ENTRY_UTC : ENTRY_GENERAL))
		return ERR_INVALID;
	if (!utc) {
		TRY(rd_bytes(at, 2, &p));
		if (!pair_read(p, &century))
			return ERR_INVALID;
	}
	TRY(rd_bytes(at, ENTRY_UTC, &p));
	digits = pair_read(p, &c.year) && pair_read(p + 2, &c.month) &&
		 pair_read(p + 4, &c.day) && pair_read(p + 6, &c.hour) &&
		 pair_read(p + 8, &c.minute) && pair_read(p + 10, &c.second);
	if (!digits || p[12] != 'Z')
		return ERR_INVALID;
	if (utc && c.year >= 50)
		century = 19;
	c.year += 100 * century;
	TRY(clock_from_civil(&c, t));
	/* 1970 on, and each time in the form that RFC 5280 has for it */
	return *t >= 0 && utc == (*t < CRL_UTC_END) ? OK : ERR_INVALID;
}

/* An entry whose SEQUENCE has the size it says. */
static enum err entry_get(struct rd *at, struct crl_entry *e)
{
	const uint8_t *p;

	TRY(rd_bytes(at, ENTRY_HEAD, &p));
	if (p[0] != DER_SEQ || p[2] != DER_INTEGER || p[3] != SERIAL_SIZE)
		return ERR_INVALID;
	TRY(rd_bytes(at, SERIAL_SIZE, &p));
	memcpy(e->serial.b, p, SERIAL_SIZE);
	TRY(entry_time(at, &e->at));
	e->reason = 0;
	if (!rd_left(at))
		return OK;
	TRY(rd_bytes(at, ENTRY_REASON, &p));
	if (memcmp(p, crl_reason_form, ENTRY_REASON) != 0)
		return ERR_INVALID;
	TRY(rd_bytes(at, 1, &p));
	e->reason = *p;
	return crl_reason_ok(e->reason) ? rd_end(at) : ERR_INVALID;
}

static enum err entry_check(struct crl_reader *r, const struct crl_entry *e,
			    struct fault *f)
{
	const uint8_t *b = e->serial.b;
	uint64_t number = (uint64_t)b[1] << 32 | (uint64_t)b[2] << 24 |
			  (uint64_t)b[3] << 16 | (uint64_t)b[4] << 8 | b[5];

	if (b[0] != r->instance)
		return fault_set(f, ERR_INVALID,
				 "certificate %llu of the revocation list has "
				 "a serial of instance %u, not %u",
				 (unsigned long long)r->count + 1, b[0],
				 r->instance);
	if (number <= r->last)
		return fault_set(f, ERR_INVALID,
				 "certificate %llu of the revocation list has "
				 "number %llu after %llu",
				 (unsigned long long)r->count + 1,
				 (unsigned long long)number,
				 (unsigned long long)r->last);
	if (e->at > r->head.this_update)
		return fault_set(f, ERR_INVALID,
				 "certificate %llu of the revocation list is "
				 "revoked after the list was made",
				 (unsigned long long)r->count + 1);
	r->last = number;
	r->count++;
	return OK;
}

static enum err entry_read(struct crl_reader *r, const uint8_t *p, size_t n,
			   struct fault *f)
{
	struct rd at = rd_from(p, n);
	struct crl_entry e;

	if (entry_get(&at, &e) != OK)
		return fault_set(f, ERR_INVALID,
				 "certificate %llu of the revocation list is "
				 "not as it is written here",
				 (unsigned long long)r->count + 1);
	TRY(entry_check(r, &e, f));
	if (r->on)
		r->on(r->arg, &e);
	return OK;
}

/* Bytes of the entry that begins there, 0 if its length is none of ours. */
static size_t entry_length(const uint8_t *p)
{
	return p[1] <= CRL_ENTRY_MAX - 2 ? 2 + (size_t)p[1] : 0;
}

/* One more byte of an entry that came in two pieces. */
static enum err cut_add(struct crl_reader *r, uint8_t byte, struct fault *f)
{
	size_t n;

	r->cut[r->cut_n++] = byte;
	if (r->cut_n < 2)
		return OK;
	n = entry_length(r->cut);
	if (n > r->cut_n)
		return OK;
	r->cut_n = 0;
	return entry_read(r, r->cut, n, f);
}

/* Takes of *in what belongs to entries. Entry by entry; only one that is cut goes
 * through r->cut. */
static enum err entries_add(struct crl_reader *r, struct rd *in,
			    struct fault *f)
{
	size_t n = (size_t)MIN(r->left, (uint64_t)rd_left(in));
	struct rd at = rd_from(in->p, n);
	const uint8_t *p;

	while (rd_left(&at)) {
		size_t whole = !r->cut_n && rd_left(&at) >= 2
				       ? entry_length(at.p)
				       : SIZE_MAX;

		if (whole <= rd_left(&at)) {
			TRY(rd_bytes(&at, whole, &p));
			TRY(entry_read(r, p, whole, f));
		} else {
			TRY(rd_bytes(&at, 1, &p));
			TRY(cut_add(r, *p, f));
		}
	}
	in->p += n;
	r->left -= n;
	if (r->left)
		return OK;
	r->state = AT_TAIL;
	return r->cut_n ? fault_set(f, ERR_INVALID,
				    "the last certificate of the revocation "
				    "list is cut short")
			: OK;
}

static enum err body_add(struct crl_reader *r, struct rd *in, struct fault *f)
{
	size_t n;

	if (r->state == AT_ENTRIES)
		TRY(entries_add(r, in, f));
	if (r->state != AT_TAIL)
		return OK;
	/* head_read made sure that it fits */
	n = rd_left(in);
	ENSURE(n <= sizeof r->tail_at - r->tail_n);
	TRY(rd_copy(in, n, r->tail_at + r->tail_n));
	r->tail_n += n;
	return OK;
}

/* The head is looked at when as much is there as a head may have. */
static enum err head_add(struct crl_reader *r, struct rd *in, struct fault *f)
{
	size_t want = (size_t)MIN(r->size, (uint64_t)sizeof r->head_at);
	size_t n = MIN(want - r->head_n, rd_left(in));
	struct rd rest;

	TRY(rd_copy(in, n, r->head_at + r->head_n));
	r->head_n += n;
	if (r->head_n < want)
		return OK;
	TRY(head_read(r, f));
	rest = rd_from(r->head_at + r->head_end, r->head_n - r->head_end);
	return body_add(r, &rest, f);
}

static enum err reader_add(struct crl_reader *r, struct rd *in, struct fault *f)
{
	if (r->size > CRL_SIZE_MAX)
		return fault_set(f, ERR_INVALID,
				 "the revocation list has over %llu bytes",
				 CRL_SIZE_MAX);
	if (rd_left(in) > r->size - r->given)
		return fault_set(f, ERR_INVALID,
				 "the revocation list goes on after its end");
	r->given += rd_left(in);
	if (r->state == AT_HEAD)
		TRY(head_add(r, in, f));
	return rd_left(in) ? body_add(r, in, f) : OK;
}

/* A sentence for what has none of its own; and no second chance. */
static enum err reader_fail(struct crl_reader *r, struct fault *f)
{
	r->state = BROKEN;
	if (f && f->text[0])
		return ERR_INVALID;
	return fault_set(f, ERR_INVALID,
			 "the revocation list is not as it is written here");
}

enum err crl_reader_add(struct crl_reader *r, const void *p, size_t n,
			struct fault *f)
{
	struct rd in = rd_from(p, n);

	if (f)
		f->text[0] = 0;
	if (r->state == BROKEN || reader_add(r, &in, f) != OK)
		return reader_fail(r, f);
	return OK;
}

/* The value of the next extension, which is that one. */
static enum err extension_get(struct rd *list, enum oid want, bool critical,
			      struct rd *value)
{
	bool said;
	struct rd ext;
	enum oid o;

	TRY(der_get(list, DER_SEQ, &ext));
	TRY(oid_get(&ext, &o));
	if (o != want)
		return ERR_INVALID;
	if (critical) {
		TRY(der_bool(&ext, &said));
		if (!said)
			return ERR_INVALID;
	}
	TRY(der_get(&ext, DER_OCTETS, value));
	return rd_end(&ext);
}

static enum err key_get(struct rd *list, struct span *key)
{
	struct rd value, seq;

	TRY(extension_get(list, OID_AUTHORITY_KEY_ID, false, &value));
	TRY(der_get(&value, DER_SEQ, &seq));
	return der_span(&seq, DER_CTX | 0, key);
}

static enum err point_get(struct rd *list, struct span *url)
{
	struct rd value, seq, point, name;

	TRY(extension_get(list, OID_ISSUING_POINT, true, &value));
	TRY(der_get(&value, DER_SEQ, &seq));
	TRY(der_get(&seq, DER_CTX_SEQ | 0, &point));
	TRY(der_get(&point, DER_CTX_SEQ | 0, &name));
	return der_span(&name, DER_CTX | 6, url);
}

static enum err tail_get(struct crl_reader *r)
{
	struct rd at = rd_from(r->tail_at, r->tail_n), outer, list, value;

	TRY(der_get(&at, TAG_EXTENSIONS, &outer));
	TRY(der_get(&outer, DER_SEQ, &list));
	TRY(key_get(&list, &r->head.authority_key));
	TRY(extension_get(&list, OID_CRL_NUMBER, false, &value));
	TRY(der_u64(&value, DER_INTEGER, UINT64_MAX, &r->head.number));
	if (rd_left(&list))
		TRY(point_get(&list, &r->head.point));
	return OK;
}

/* What was understood, written again, is what was read: so nothing else is in it. */
static enum err same_again(const struct crl_reader *r)
{
	AUTO(buf_wipe) struct buf head = { .max = CRL_HEAD_MAX };
	AUTO(buf_wipe) struct buf tail = { .max = CRL_TAIL_MAX };

	TRY(crl_head_put(&head, &r->head, r->entries));
	TRY(crl_tail_put(&tail, &r->head));
	return span_equal(span_of(head.p, head.len),
			  span_of(r->head_at, r->head_end)) &&
			       span_equal(span_of(tail.p, tail.len),
					  span_of(r->tail_at, r->tail_n))
		       ? OK
		       : ERR_INVALID;
}

enum err crl_reader_end(struct crl_reader *r, struct crl_head *head,
			struct span *issuer_der, uint64_t *entries,
			struct fault *f)
{
	if (f)
		f->text[0] = 0;
	if (r->state == BROKEN)
		return reader_fail(r, f);
	if (r->given < r->size) {
		fault_set(f, ERR_INVALID, "the revocation list is cut short");
		return reader_fail(r, f);
	}
	if (r->state != AT_TAIL || tail_get(r) != OK || same_again(r) != OK)
		return reader_fail(r, f);
	*head = r->head;
	*issuer_der = r->issuer_der;
	*entries = r->count;
	return OK;
}

enum err crl_split(struct span der, struct crl_signed *s, struct fault *f)
{
	if (sig_split(der, &s->tbs, &s->alg, &s->sig) == OK)
		return OK;
	return fault_set(f, ERR_INVALID, "what came is no revocation list");
}
