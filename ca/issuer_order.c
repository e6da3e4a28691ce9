/* Issuer: an order, one certificate on its way: judged by its profile, linted, signed
 * by the signer, made durable, answered. A signature that was never committed is never
 * sent.
 *	issuer -> signer IG_SIGN	signer -> issuer IG_SIGNED, IG_REFUSED */
#include "ca/issuer.h"

#include "lib/child.h"
#include "lib/enc.h"
#include "lib/lint.h"
#include "lib/log.h"
#include "lib/merkle.h"
#include "lib/num.h"

#include <stdlib.h>

static struct map *signing; /* orders with the signer, by number */
/* The lowest number refused since one was signed; 0: none */
static uint64_t refused_from;

static void order_key(const void *value, const void **key, size_t *len)
{
	const struct order *o = value;

	*key = &o->number;
	*len = sizeof o->number;
}

static void durable(struct txn_entry *e, const struct fault *f)
{
	struct order *o = (struct order *)e;

	o->finish(o, f);
}

struct order *order_new(const struct ask *a)
{
	struct order *o = xcalloc(1, sizeof *o);

	txn_entry_init(&o->entry, durable);
	o->ask = *a;
	attrs_init(&o->asked);
	buf_init(&o->csr, CSR_MAX);
	buf_init(&o->der, CERT_MAX);
	return o;
}

void order_free(struct order *o)
{
	txn_entry_wipe(&o->entry);
	attrs_wipe(&o->asked);
	buf_wipe(&o->csr);
	buf_wipe(&o->der);
	free(o);
}

/* What was asked for */

static enum err take_csr(struct order *o, struct attr_view v, struct fault *f)
{
	static const char mark[] = "-----BEGIN";
	struct merkle_hash h;
	struct attr a;
	size_t used;

	if (attr_only(v, "csr", &a) != OK)
		return fault_set(f, ERR_INVALID,
				 "the request has no 'csr': send one PKCS#10 "
				 "request, as PEM or as DER");
	if (a.len > 2 * CSR_MAX)
		return fault_set(f, ERR_TOO_LARGE, "the CSR is over %d bytes",
				 CSR_MAX);
	if (a.len >= sizeof mark && !memcmp(a.value, mark, sizeof mark - 1)) {
		enum err e =
			pem_get("CERTIFICATE REQUEST", (const char *)a.value,
				a.len, &o->csr, &used, f);

		if (e != OK &&
		    pem_get("NEW CERTIFICATE REQUEST", (const char *)a.value,
			    a.len, &o->csr, &used, NULL) != OK)
			return e;
	} else if (buf_put(&o->csr, a.value, a.len) != OK) {
		return fault_set(f, ERR_TOO_LARGE, "the CSR is over %d bytes",
				 CSR_MAX);
	}
	merkle_sha256(o->csr.p, o->csr.len, NULL, 0, &h);
	memcpy(o->csr_hash, h.b, sizeof o->csr_hash);
	return OK;
}

/* A duration as JSON has them, or seconds. */
static enum err take_life(struct order *o, struct attr_view v, struct fault *f)
{
	struct attr a;
	enum err e = attr_only(v, "lifetime", &a);

	if (e == ERR_NOT_FOUND)
		return OK;
	if (e == OK && num_duration((const char *)a.value, a.len, true,
				    PROFILE_LIFE_MAX, &o->life) == OK)
		return OK;
	return fault_set(f, ERR_INVALID,
			 "'lifetime' is not one duration of at most %d days",
			 PROFILE_LIFE_MAX / 86400);
}

enum err order_take(struct order *o, struct attr_view v, struct fault *f)
{
	struct attr_view it = v;
	char text[URI_MAX];
	struct attr a;

	TRY(take_csr(o, v, f));
	while (attr_next(&it, &a)) {
		if (!attr_named(&a, "name") && !attr_named(&a, "uri"))
			continue;
		if (a.len > URI_MAX || o->asked.count == 2 * CERT_NAMES_MAX ||
		    attrs_add(&o->asked, a.name_len == 3 ? "uri" : "dns", 0,
			      a.value, a.len) != OK)
			return fault_set(f, ERR_TOO_LARGE,
					 "too many names are asked for");
	}
	if (attr_find(v, "agent", &a)) {
		if (call_text(v, "agent", o->agent, sizeof o->agent, f) != OK)
			return fault_set(f, ERR_INVALID,
					 "'agent' is not a UUIDv7 in lower "
					 "case");
		TRY(agent_id_check(span_str(o->agent), f));
	}
	if (call_text(v, "replaces", text, sizeof text, f) == OK) {
		if (serial_parse(text, strlen(text), &o->replaces) != OK)
			return fault_set(f, ERR_INVALID,
					 "'replaces' is no serial: 36 hex "
					 "digits");
		o->has_replaces = true;
	}
	return take_life(o, v, f);
}

/* Judging */

static enum err add_name(struct cert_names *n, const uint8_t *p, size_t len,
			 struct fault *f)
{
	if (n->count == CERT_NAMES_MAX)
		return fault_set(f, ERR_TOO_LARGE,
				 "more than %d names are asked for",
				 CERT_NAMES_MAX);
	n->at[n->count++] = span_of(p, len);
	return OK;
}

/* Names of the request and of its CSR: judged alike. */
static enum err wish_names(const struct order *o, struct wish *w,
			   struct fault *f)
{
	struct attr_view it = attrs_view(&o->asked);
	struct attr a;

	if (!o->old) {
		w->dns = o->parsed.dns;
		w->uri = o->parsed.uri;
	}
	while (attr_next(&it, &a))
		TRY(add_name(attr_named(&a, "dns") ? &w->dns : &w->uri, a.value,
			     a.len, f));
	return OK;
}

static enum err judge(struct order *o, const struct profile *p, struct wish *w,
		      struct buf *tbs, struct fault *f)
{
	struct lint_issuer by = {
		.name = issuer.issuing_cert.subject_der,
		.key_id = span_of(issuer.scope.key_id, 20),
		.not_after = issuer.scope.not_after,
	};
	struct profile_room room = { .text = { .max = CERT_TBS_MAX } };
	struct cert c;
	enum err e;

	e = profile_fill(p, &issuer.scope, w, &room, &c, f);
	if (e == OK) {
		o->not_before = c.not_before;
		o->not_after = c.not_after;
		if (cert_build(&c, tbs) != OK)
			e = fault_set(f, ERR_TOO_LARGE,
				      "the certificate would be too large");
	}
	if (e == OK)
		e = lint_tbs(span_of(tbs->p, tbs->len), &by, f);
	buf_wipe(&room.text);
	return e;
}

static enum err number_it(struct order *o, struct fault *f)
{
	uint8_t tail[SERIAL_TAIL];

	if (issuer.next > SERIAL_NUMBER_MAX)
		return fault_set(f, ERR_LIMITED,
				 "this CA has used up its serial numbers: make "
				 "a new one");
	random_fill(tail, sizeof tail);
	o->number = issuer.next;
	serial_make(issuer.scope.instance, o->number, tail, &o->serial);
	return OK;
}

static enum err send_order(struct order *o, const struct buf *tbs,
			   struct fault *f)
{
	struct attrs a;
	enum err e;

	attrs_init(&a);
	e = attrs_add_str(&a, "profile", o->profile);
	if (e == OK)
		e = attrs_add(&a, "tbs", 0, tbs->p, tbs->len);
	if (e == OK && o->delay)
		e = attrs_add_u64(&a, "delay", o->delay);
	if (e == OK)
		e = chan_send(&issuer.signer, IG_SIGN,
			      ABOUT_ID(ABOUT_ORDER, o->number), attrs_view(&a));
	attrs_wipe(&a);
	return e == OK ? OK
		       : fault_set(f, ERR_UNAVAILABLE,
				   "the signer cannot be reached: try again");
}

static enum err try_order(struct order *o, struct fault *f)
{
	const struct profile *p;
	struct wish w = { .node = span_str(o->node),
			  .agent = span_str(o->agent),
			  .key = &o->parsed.key,
			  .life = o->life,
			  .now = clock_wall(),
			  .delay = o->delay,
			  .serial = &o->serial };
	AUTO(buf_wipe) struct buf tbs = { .max = CERT_TBS_MAX };

	TRY(issuer_open(f));
	if (map_count(signing) >= ISSUER_ORDERS_MAX)
		return fault_set(f, ERR_LIMITED,
				 "too many certificates are being made: try "
				 "again");
	if (strncmp(o->profile, "ca-", 3))
		TRY(profiles_read(f));
	p = profiles_find(issuer.profiles, span_str(o->profile));
	if (!p)
		return fault_set(f, ERR_NOT_FOUND,
				 "there is no profile '%s': make one with "
				 "'cretula ca profile set %s'",
				 o->profile, o->profile);
	if (!o->agent[0] && strncmp(o->profile, "ca-", 3)) {
		agent_id_make(clock_wall_ns() / CLOCK_MS, o->agent);
		w.agent = span_str(o->agent);
	}
	if (!o->bare_key)
		TRY(csr_parse(span_of(o->csr.p, o->csr.len), &o->parsed, f));
	if (o->old)
		TRY(renew_check(o, f));
	TRY(wish_names(o, &w, f));
	if (!o->bare_key)
		TRY(profile_csr_check(p, &issuer.scope, &w, &o->parsed, f));
	TRY(number_it(o, f));
	TRY(judge(o, p, &w, &tbs, f));
	TRY(send_order(o, &tbs, f));
	issuer.next++;
	return OK;
}

void order_run(struct order *o)
{
	struct fault f;

	if (!signing)
		signing = map_new(order_key);
	if (try_order(o, &f) == OK)
		map_add(signing, o);
	else
		o->finish(o, &f);
}

/* Signed: the row and the record */

static enum err put_row(struct order *o)
{
	struct attrs *row = &o->entry.cert;

	TRY(attrs_add_u64(row, "number", o->number));
	TRY(attrs_add(row, "tail", 0, serial_tail(&o->serial), SERIAL_TAIL));
	TRY(attrs_add_str(row, "agent", o->agent));
	TRY(attrs_add_str(row, "node", o->node));
	TRY(attrs_add_str(row, "type", o->profile));
	TRY(attrs_add_u64(row, "not_before", (uint64_t)o->not_before));
	TRY(attrs_add_u64(row, "not_after", (uint64_t)o->not_after));
	TRY(attrs_add_u64(row, "shard", o->number % issuer.scope.shards));
	TRY(attrs_add(row, "request", 0, o->csr_hash, sizeof o->csr_hash));
	return attrs_add(row, "der", 0, o->der.p, o->der.len);
}

static enum err put_times(const struct order *o, struct attrs *r)
{
	char text[CLOCK_TEXT];

	clock_format(o->not_before, text);
	TRY(attrs_add_str(r, "not_before", text));
	clock_format(o->not_after, text);
	return attrs_add_str(r, "not_after", text);
}

/* The issuance log: what was certified, and the signer's own running hash. */
static enum err put_record(struct order *o, const struct msg *m)
{
	char hex[2 * SERIAL_SIZE + 1], hash[2 * MERKLE_HASH + 1];
	struct attrs *r = &o->entry.record;
	struct cert_signed s;
	struct merkle_hash h;
	struct attr a;

	TRY(attrs_add_str(r, "event", o->event));
	TRY(ask_said(&o->ask, r));
	TRY(ask_id(&o->ask, r));
	serial_format(&o->serial, hex);
	TRY(attrs_add_str(r, "serial", hex));
	TRY(attrs_add_str(r, "type", o->profile));
	TRY(attrs_add_str(r, "node", o->node));
	TRY(attrs_add_str(r, "agent", o->agent));
	TRY(put_times(o, r));
	merkle_sha256(o->der.p, o->der.len, NULL, 0, &h);
	enc_hex(h.b, sizeof h.b, hash);
	TRY(attrs_add_str(r, "sha256", hash));
	if (cert_split(span_of(o->der.p, o->der.len), &s, NULL) != OK)
		return ERR_INTERNAL;
	merkle_sha256(s.tbs.p, s.tbs.n, NULL, 0, &h);
	enc_hex(h.b, sizeof h.b, hash);
	TRY(attrs_add_str(r, "tbs", hash));
	if (o->has_token) {
		enc_hex(o->token, sizeof o->token, hash);
		TRY(attrs_add_str(r, "token", hash));
	}
	if (o->has_replaces) {
		serial_format(&o->replaces, hex);
		TRY(attrs_add_str(r, "replaces", hex));
	}
	if (attr_only(m->attrs, "signed", &a) == OK)
		TRY(attrs_add(r, "signed", 0, a.value, a.len));
	if (attr_only(m->attrs, "chain", &a) != OK || a.len != MERKLE_HASH)
		return OK;
	enc_hex(a.value, MERKLE_HASH, hash);
	return attrs_add_str(r, "chain", hash);
}

static enum err put_token(struct order *o)
{
	struct attrs use;
	enum err e;

	if (!o->has_token)
		return OK;
	attrs_init(&use);
	e = attrs_add(&use, "id", 0, o->token, sizeof o->token);
	if (e == OK)
		e = attrs_add_u64(&use, "number", o->number);
	if (e == OK)
		e = attrs_add(&use, "request", 0, o->csr_hash,
			      sizeof o->csr_hash);
	if (e == OK)
		e = attrs_add_str(&use, "address", o->ask.address);
	if (e == OK)
		e = attrs_add(&o->entry.ops, "use", 0, use.bytes.p,
			      use.bytes.len);
	attrs_wipe(&use);
	return e;
}

/* The signer counts what it signs; a gap was signed and never committed, or signed for
 * somebody else. */
static void watch_count(const struct msg *m)
{
	uint64_t n = child_number(m, "signed", INT64_MAX);

	if (n != issuer.signer_count + 1) {
		issuer.unlogged += n - issuer.signer_count - 1;
		log_text(LOG_CRIT, "unlogged",
			 "the signer has signed %llu certificates that this "
			 "issuer did not ask for",
			 (unsigned long long)(n - issuer.signer_count - 1));
	}
	issuer.signer_count = n;
}

void order_signed(uint64_t number, const struct msg *m)
{
	struct order *o =
		signing ? map_drop(signing, &number, sizeof number) : NULL;
	struct attr a;

	if (!o || attr_only(m->attrs, "certificate", &a) != OK)
		child_broken("signer");
	refused_from = 0;
	issuer.spent = MAX(issuer.spent, number + 1);
	watch_count(m);
	ENSURE(buf_put(&o->der, a.value, a.len) == OK);
	ENSURE(put_token(o) == OK);
	ENSURE(put_row(o) == OK);
	ENSURE(put_record(o, m) == OK);
	if (o->delay)
		ENSURE(probe_op(o, &o->entry.ops) == OK);
	txn_add(&o->entry);
}

/* A signer whose disk cannot be written spends no number, and refuses those beyond its
 * next block: who went on counting would stay there. So with nothing under way the
 * count goes back to what neither was spent there nor can be anywhere else. */
static void count_again(uint64_t number, const struct msg *m)
{
	uint64_t next;
	struct attr a;

	if (!refused_from)
		refused_from = number;
	if (map_count(signing) || attr_only(m->attrs, "next", &a) != OK ||
	    attr_u64(&a, SERIAL_NUMBER_MAX, &next) != OK)
		return;
	issuer.next = MIN(issuer.next, MAX(refused_from, next));
}

/* A signer that died may have had more numbers waiting than the next one reserves: what
 * it never took is given again. */
void orders_number(void)
{
	uint64_t least = MAX(issuer.store_next, issuer.signer_next);

	if (signing && map_count(signing))
		least = MAX(least, issuer.next);
	issuer.next = MAX(least, issuer.spent);
}

void order_refused(uint64_t number, const struct msg *m, const struct fault *f)
{
	struct order *o =
		signing ? map_drop(signing, &number, sizeof number) : NULL;

	if (!o)
		child_broken("signer");
	count_again(number, m);
	o->finish(o, f);
}

void orders_fail(const struct fault *f)
{
	struct order *o;
	size_t at = 0;

	while (signing && (o = map_next(signing, &at))) {
		(void)map_drop(signing, &o->number, sizeof o->number);
		o->finish(o, f);
		at = 0;
	}
}

enum err order_answer(const struct order *o, struct attrs *reply)
{
	char hex[2 * SERIAL_SIZE + 1], text[CLOCK_TEXT];

	serial_format(&o->serial, hex);
	TRY(attrs_add(reply, "certificate", 0, o->der.p, o->der.len));
	TRY(attrs_add(reply, "issuer", 0, issuer.issuing.p,
		      issuer.issuing.len));
	TRY(attrs_add_str(reply, "serial", hex));
	TRY(attrs_add_str(reply, "type", o->profile));
	TRY(attrs_add_str(reply, "node", o->node));
	TRY(attrs_add_str(reply, "agent", o->agent));
	TRY(put_times(o, reply));
	if (!o->delay)
		return OK;
	clock_format(o->not_before, text);
	return attrs_add_str(reply, "verify_by", text);
}
