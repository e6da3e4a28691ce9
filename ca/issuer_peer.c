/* Issuer: holders of certificates behind gate's TLS connections. gate shows a chain and
 * is not believed: the leaf is verified here, against the issuing CA's key, its dates,
 * its purpose, and the inventory.
 *	gate -> issuer	GI_PEER, GI_PEER_GONE
 *	issuer -> store	IS_STATUS	store -> issuer	IS_STATUSES */
#include "ca/issuer.h"

#include "lib/child.h"

#include <stdlib.h>

static struct map *peers;

static void peer_key(const void *value, const void **key, size_t *len)
{
	const struct tls_peer *p = value;

	*key = &p->id;
	*len = sizeof p->id;
}

void peer_init(void)
{
	peers = map_new(peer_key);
}

struct tls_peer *peer_find(uint64_t id)
{
	return map_find(peers, &id, sizeof id);
}

static void peer_free(struct tls_peer *p)
{
	struct gate_call *c, *next;

	for (c = p->waiting; c; c = next) {
		next = c->next;
		attrs_wipe(&c->said);
		free(c);
	}
	buf_wipe(&p->der);
	free(p);
}

void peer_gone(uint64_t id)
{
	struct tls_peer *p = map_drop(peers, &id, sizeof id);

	if (p)
		peer_free(p);
}

void peers_gone(void)
{
	struct tls_peer *p;
	size_t at = 0;

	while ((p = map_next(peers, &at)))
		peer_free(p);
	map_free(peers);
	peer_init();
}

/* Verifying */

static enum err check_issuer(struct tls_peer *p, const struct cert_signed *s,
			     struct fault *f)
{
	if (!span_equal(p->cert.issuer_der, issuer.issuing_cert.subject_der) ||
	    sig_check_run(issuer.sig_check, s->alg, s->tbs, s->sig) != OK)
		return fault_set(f, ERR_UNAUTHENTICATED,
				 "the client certificate is not one of this "
				 "CA's");
	return OK;
}

static enum err check_dates(const struct tls_peer *p, struct fault *f)
{
	char text[CLOCK_TEXT];
	int64_t now = clock_wall();

	if (now > p->cert.not_after) {
		clock_format(p->cert.not_after, text);
		return fault_set(f, ERR_UNAUTHENTICATED,
				 "the client certificate expired at %s: enrol "
				 "again",
				 text);
	}
	if (now >= p->cert.not_before)
		return OK;
	clock_format(p->cert.not_before, text);
	return fault_set(f, ERR_UNAUTHENTICATED,
			 "the client certificate is valid from %s on only",
			 text);
}

static enum err verify(struct tls_peer *p, struct fault *f)
{
	struct cert_signed s;

	if (cert_split(span_of(p->der.p, p->der.len), &s, f) != OK ||
	    cert_parse_tbs(s.tbs, &p->cert, f) != OK)
		return fault_set(f, ERR_UNAUTHENTICATED,
				 "the client certificate is not one of this "
				 "CA's");
	TRY(check_issuer(p, &s, f));
	if (!(p->cert.ext_usage & EKU_CLIENT) || p->cert.ca)
		return fault_set(f, ERR_UNAUTHENTICATED,
				 "the certificate is not for TLS clients");
	if (p->cert.serial.n != SERIAL_SIZE)
		return fault_set(f, ERR_UNAUTHENTICATED,
				 "the certificate has a strange serial");
	memcpy(p->serial.b, p->cert.serial.p, SERIAL_SIZE);
	return check_dates(p, f);
}

static enum err ask_store(const struct tls_peer *p)
{
	struct attrs a;
	enum err e;

	attrs_init(&a);
	e = attrs_add_u64(&a, "number", serial_number(&p->serial));
	if (e == OK)
		e = chan_send(&issuer.store, IS_STATUS,
			      ABOUT_ID(ABOUT_PEER, p->id), attrs_view(&a));
	attrs_wipe(&a);
	return e;
}

static void run_waiting(struct tls_peer *p)
{
	struct gate_call *c = p->waiting, *next;

	p->waiting = NULL;
	for (; c; c = next) {
		next = c->next;
		gate_verb(&c->ask, attrs_view(&c->said));
		attrs_wipe(&c->said);
		free(c);
	}
}

/* Nothing was found out: that is no judgement, and the next call asks again. */
static void not_now(struct tls_peer *p, const struct fault *f)
{
	p->state = PEER_UNKNOWN;
	p->fault = *f;
}

static void look(struct tls_peer *p)
{
	struct fault f;

	if (issuer_open(&f) != OK) {
		not_now(p, &f);
	} else if (verify(p, &p->fault) != OK) {
		p->state = PEER_REFUSED;
	} else if (ask_store(p) != OK) {
		(void)fault_set(&f, ERR_UNAVAILABLE,
				"whether the certificate was revoked cannot be "
				"looked up now: try again");
		not_now(p, &f);
	} else {
		p->state = PEER_ASKED;
	}
}

enum err peer_came(const struct msg *m, struct fault *f)
{
	struct tls_peer *p;
	struct attr a;

	if (peer_find(m->id) || m->id >> 56)
		return fault_set(f, ERR_INVALID,
				 "a connection is there already, or none");
	p = xcalloc(1, sizeof *p);
	p->id = m->id;
	buf_init(&p->der, CERT_MAX);
	p->state = PEER_REFUSED;
	if (map_count(peers) >= ISSUER_PEERS_MAX)
		(void)fault_set(&p->fault, ERR_LIMITED,
				"too many clients are connected: try again");
	else if (!attr_find(m->attrs, "cert", &a) ||
		 buf_put(&p->der, a.value, a.len) != OK)
		(void)fault_set(&p->fault, ERR_UNAUTHENTICATED,
				"the client certificate is too large");
	else
		look(p);
	map_add(peers, p);
	return OK;
}

bool peer_looked_up(struct tls_peer *p)
{
	if (p->state == PEER_UNKNOWN)
		look(p);
	return p->state != PEER_ASKED;
}

static enum err check_row(const struct tls_peer *p, const struct msg *m,
			  struct fault *f)
{
	struct attr_view row;
	struct attr a, tail;

	if (attr_only(m->attrs, "row", &a) != OK)
		return fault_set(f, ERR_UNAUTHENTICATED,
				 "the client certificate is not in the "
				 "inventory");
	if (attr_parse(a.value, a.len, &row, f) != OK ||
	    attr_only(row, "tail", &tail) != OK)
		child_broken("store");
	if (tail.len != SERIAL_TAIL ||
	    memcmp(tail.value, serial_tail(&p->serial), SERIAL_TAIL))
		return fault_set(f, ERR_UNAUTHENTICATED,
				 "the client certificate is not in the "
				 "inventory");
	if (attr_find(row, "revoked", &a))
		return fault_set(f, ERR_UNAUTHENTICATED,
				 "the client certificate was revoked");
	return OK;
}

void peer_status(uint64_t id, const struct msg *m)
{
	struct tls_peer *p = peer_find(ABOUT_N(id));

	if (!p || p->state != PEER_ASKED)
		return;
	p->state = check_row(p, m, &p->fault) == OK ? PEER_GOOD : PEER_REFUSED;
	run_waiting(p);
}

void peer_lookup_failed(uint64_t id, const struct fault *f)
{
	struct tls_peer *p = peer_find(ABOUT_N(id));

	if (!p || p->state != PEER_ASKED)
		return;
	not_now(p, f);
	run_waiting(p);
}

/* The store's answers to what was asked will never come. */
void peers_store_gone(const struct fault *f)
{
	struct tls_peer *p;
	size_t at = 0;

	while ((p = map_next(peers, &at)))
		peer_lookup_failed(p->id, f);
}

/* Are they in a page of the inventory, whose numbers descend? */
static bool holds(const uint64_t *number, size_t n, uint64_t wanted)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (number[mid] == wanted)
			return true;
		if (number[mid] > wanted)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

void peers_revoked(const uint64_t *number, size_t n)
{
	struct tls_peer *p;
	size_t at = 0;

	while ((p = map_next(peers, &at))) {
		/* who is being looked up is told by the store */
		if (p->state != PEER_GOOD ||
		    !holds(number, n, serial_number(&p->serial)))
			continue;
		(void)fault_set(&p->fault, ERR_UNAUTHENTICATED,
				"the client certificate was revoked");
		p->state = PEER_REFUSED;
	}
}

enum err peer_check(const struct tls_peer *p, struct fault *f)
{
	if (!p)
		return fault_set(f, ERR_UNAUTHENTICATED,
				 "this needs a client certificate of this CA: "
				 "none was shown");
	if (p->state == PEER_REFUSED || p->state == PEER_UNKNOWN) {
		*f = p->fault;
		return f->code;
	}
	ENSURE(p->state == PEER_GOOD);
	return check_dates(p, f);
}
