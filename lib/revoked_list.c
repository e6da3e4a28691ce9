/* Judging revocation lists; run by verifiers. Holds one list at a time, packed. */
#include "lib/revoked.h"

#include "lib/clock.h"

#include <string.h>

enum {
	PACKED = SERIAL_SIZE + 8 + 1, /* serial | at u64 | reason u8 */
};

void revoked_list_wipe(struct revoked_list *l)
{
	buf_wipe(&l->entries);
	*l = (struct revoked_list){ 0 };
}

static void add_entry(void *arg, const struct crl_entry *e)
{
	struct buf *b = arg;

	/* a list has at most REVOKED_LIST_MAX bytes: there is room */
	ENSURE(buf_put(b, e->serial.b, SERIAL_SIZE) == OK);
	ENSURE(buf_u64(b, (uint64_t)e->at) == OK);
	ENSURE(buf_u8(b, (uint8_t)e->reason) == OK);
}

static enum err check_head(const struct chain_ca *ca, struct span point,
			   const struct crl_head *h, struct span issuer,
			   struct fault *f)
{
	if (!span_equal(issuer, ca->cert.subject_der) ||
	    !span_equal(h->authority_key, ca->cert.subject_key))
		return fault_set(f, ERR_UNAVAILABLE,
				 "the revocation list is another CA's");
	if (!span_equal(h->point, point))
		return fault_set(f, ERR_UNAVAILABLE,
				 "the revocation list is another than the one "
				 "that the certificate names");
	return OK;
}

static enum err check_list_times(int64_t this_update, int64_t next_update,
				 int64_t now, struct fault *f)
{
	char text[CLOCK_TEXT];

	clock_format(this_update, text);
	if (this_update > now + REVOKED_LEEWAY)
		return fault_set(f, ERR_UNAVAILABLE,
				 "the revocation list is of %s, which is to "
				 "come: is a clock wrong?",
				 text);
	if (next_update < now - REVOKED_LEEWAY)
		return fault_set(f, ERR_UNAVAILABLE,
				 "the revocation list is an old one, of %s",
				 text);
	return OK;
}

static enum err read_list(const struct crl_signed *s, struct crl_reader *r,
			  struct crl_head *h, struct span *issuer,
			  struct fault *f)
{
	struct fault why;
	uint64_t n;

	if (crl_reader_add(r, s->tbs.p, s->tbs.n, &why) == OK &&
	    crl_reader_end(r, h, issuer, &n, &why) == OK)
		return OK;
	return fault_set(f, ERR_UNAVAILABLE, "%s", why.text);
}

enum err revoked_list_take(const struct chain_ca *ca, struct span point,
			   uint8_t instance, uint64_t least, struct span der,
			   int64_t now, struct revoked_list *out,
			   struct fault *f)
{
	AUTO(buf_wipe) struct buf entries = { .max = REVOKED_LIST_MAX };
	AUTO(crl_reader_free) struct crl_reader *r = NULL;
	struct crl_signed s;
	struct span issuer;
	struct crl_head h;

	if (der.n > REVOKED_LIST_MAX || crl_split(der, &s, NULL) != OK)
		return fault_set(f, ERR_UNAVAILABLE,
				 "what came is no revocation list");
	if (pubkey_verify(&ca->key, s.alg, s.tbs, s.sig) != OK)
		return fault_set(f, ERR_UNAVAILABLE,
				 "the revocation list's signature is wrong");
	r = crl_reader_new(instance, s.tbs.n);
	crl_reader_tell(r, add_entry, &entries);
	TRY(read_list(&s, r, &h, &issuer, f));
	TRY(check_head(ca, point, &h, issuer, f));
	TRY(check_list_times(h.this_update, h.next_update, now, f));
	if (h.number < least)
		return fault_set(f, ERR_UNAVAILABLE,
				 "the revocation list is an older one than was "
				 "here before (number %llu after %llu)",
				 (unsigned long long)h.number,
				 (unsigned long long)least);
	revoked_list_wipe(out);
	*out = (struct revoked_list){ .number = h.number,
				      .this_update = h.this_update,
				      .next_update = h.next_update,
				      .entries = entries };
	entries = (struct buf){ 0 };
	return OK;
}

/* Instance and number go first in a serial, so its bytes ascend with them. */
static const uint8_t *find_entry(const struct revoked_list *l,
				 struct span serial)
{
	size_t low = 0, high = l->entries.len / PACKED;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const uint8_t *at = l->entries.p + mid * PACKED;
		int c = memcmp(at, serial.p, SERIAL_SIZE);

		if (!c)
			return at;
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

enum err revoked_list_judge(const struct revoked_list *l, struct span serial,
			    int64_t now, struct revoked_answer *out,
			    struct fault *f)
{
	const uint8_t *at;
	struct rd r;
	uint64_t when;
	uint8_t reason;

	ENSURE(serial.n == SERIAL_SIZE);
	TRY(check_list_times(l->this_update, l->next_update, now, f));
	*out = (struct revoked_answer){ 0 };
	at = find_entry(l, serial);
	if (!at)
		return OK;
	r = rd_from(at + SERIAL_SIZE, PACKED - SERIAL_SIZE);
	TRY(rd_u64(&r, &when));
	TRY(rd_u8(&r, &reason));
	out->revoked = true;
	out->revoked_at = (int64_t)when;
	out->reason = reason;
	return OK;
}
