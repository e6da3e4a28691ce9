/* Verifier: certificates whose chain is good, each once, however many connections it has;
 * and the issuing CAs. Holds what they say. */
#include "lib/verifier.h"

#include "lib/capability.h"
#include "lib/enc.h"
#include "lib/log.h"
#include "lib/map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The wall clock may be set: expiry is looked at this often at least. */
#define EXPIRY_LOOK (30 * CLOCK_SECOND)

static struct map *certs; /* by key */
/* Those that nobody uses: oldest goes first when there is no room. */
static struct vcert *newest, *oldest;

static void cert_key(const void *value, const void **key, size_t *len)
{
	*key = ((const struct vcert *)value)->key;
	*len = VERIFIER_KEY;
}

struct vcert *cert_find(const uint8_t key[VERIFIER_KEY])
{
	return certs ? map_find(certs, key, VERIFIER_KEY) : NULL;
}

/* ---- issuing CAs */

unsigned certs_known(const struct chain_ca *out[VERIFIER_CAS])
{
	unsigned n = 0;

	for (size_t i = 0; i < VERIFIER_CAS; i++)
		if (verifier.ca[i].ca)
			out[n++] = verifier.ca[i].ca;
	return n;
}

static struct vca *ca_of(const struct chain_ca *ca)
{
	for (size_t i = 0; i < VERIFIER_CAS; i++)
		if (verifier.ca[i].ca == ca)
			return &verifier.ca[i];
	return NULL;
}

/* A free place, or that of one that nobody uses. */
struct vca *certs_keep_ca(struct chain_ca *ca)
{
	struct vca *v = ca_of(NULL);

	for (size_t i = 0; !v && i < VERIFIER_CAS; i++)
		if (!verifier.ca[i].users)
			v = &verifier.ca[i];
	if (!v)
		return NULL;
	chain_ca_free(&v->ca);
	v->ca = ca;
	return v;
}

/* ---- those that nobody uses */

static void idle_add(struct vcert *c)
{
	c->idle = true;
	c->older = newest;
	c->newer = NULL;
	if (newest)
		newest->newer = c;
	else
		oldest = c;
	newest = c;
}

static void idle_drop(struct vcert *c)
{
	if (!c->idle)
		return;
	c->idle = false;
	if (c->newer)
		c->newer->older = c->older;
	else
		newest = c->older;
	if (c->older)
		c->older->newer = c->newer;
	else
		oldest = c->newer;
}

void cert_drop(struct vcert *c)
{
	ENSURE(!c->conns);
	idle_drop(c);
	loop_disarm(&c->expiry);
	if (c->source)
		source_leave(c);
	if (c->ca)
		c->ca->users--;
	(void)map_drop(certs, c->key, VERIFIER_KEY);
	attrs_wipe(&c->who);
	free(c->why);
	free(c);
}

/* ---- validity */

enum err cert_in_time(const struct vcert *c, struct fault *f)
{
	int64_t now = clock_wall();
	char text[CLOCK_TEXT];

	if (now > c->not_after) {
		clock_format(c->not_after, text);
		return fault_set(f, ERR_EXPIRED,
				 "the client certificate expired at %s: renew "
				 "it",
				 text);
	}
	if (now < c->not_before) {
		clock_format(c->not_before, text);
		return fault_set(f, ERR_EXPIRED,
				 "the client certificate is not valid before "
				 "%s: is a clock wrong?",
				 text);
	}
	return OK;
}

static void arm_expiry(struct vcert *c)
{
	int64_t left = c->not_after + 1 - clock_wall();
	uint64_t wait =
		left > 0 ? (uint64_t)MIN(left, 86400) * CLOCK_SECOND : 0;

	loop_arm(verifier.loop, &c->expiry,
		 clock_boot() + MIN(wait, EXPIRY_LOOK));
}

static void expiry_came(struct loop_timer *t)
{
	struct vcert *c =
		(struct vcert *)((char *)t - offsetof(struct vcert, expiry));
	struct fault f;

	if (clock_wall() <= c->not_after) {
		arm_expiry(c);
		return;
	}
	ENSURE(cert_in_time(c, &f) != OK);
	cert_all_bad(c, &f);
	cert_drop(c);
}

/* ---- a new one */

static enum err add_name(struct attrs *a, const char *name, struct span v)
{
	return attrs_add(a, name, 0, v.p, v.n);
}

/* Do these capabilities have admin:DAEMON@NODE? */
static bool is_admin(const struct cert_names *caps)
{
	char text[2 * VERIFIER_NAME + 16];
	struct capability want;

	(void)snprintf(text, sizeof text, "admin:%s@%s", verifier.daemon,
		       verifier.node);
	return capability_parse(span_str(text), false, &want, NULL) == OK &&
	       capability_held(caps, &want);
}

static enum err say_who(const struct cert *c, struct attrs *a)
{
	char serial[2 * SERIAL_SIZE + 1];

	enc_hex(c->serial.p, SERIAL_SIZE, serial);
	TRY(attrs_add_str(a, "via", "tls"));
	TRY(add_name(a, "cert.o", c->subject.o));
	TRY(add_name(a, "cert.ou", c->subject.ou));
	TRY(add_name(a, "cert.uid", c->subject.uid));
	for (unsigned i = 0; i < c->caps.count; i++)
		TRY(add_name(a, "cert.cap", c->caps.at[i]));
	TRY(attrs_add_str(a, "serial", serial));
	return is_admin(&c->caps) ? attrs_add_str(a, "admin", "yes") : OK;
}

static enum err make_room(struct fault *f)
{
	if (!certs)
		certs = map_new(cert_key);
	if (map_count(certs) < VERIFIER_CERTS)
		return OK;
	if (!oldest)
		return fault_set(f, ERR_LIMITED,
				 "more than %d clients are connected",
				 VERIFIER_CERTS);
	cert_drop(oldest);
	return OK;
}

/* The CA of the chain; a new one is kept, or freed. */
static enum err take_ca(struct chain_end *e, struct vca **out, struct fault *f)
{
	*out = e->made ? certs_keep_ca(e->made) : ca_of(e->ca);
	if (*out)
		return OK;
	chain_ca_free(&e->made);
	return fault_set(f, ERR_LIMITED,
			 "clients of more than %d issuing CAs are connected",
			 VERIFIER_CAS);
}

enum err cert_new(const uint8_t key[VERIFIER_KEY], struct chain_end *e,
		  struct vcert **out, struct fault *f)
{
	const struct cert *leaf = &e->cert;
	struct vca *ca = NULL;
	struct vcert *c;
	enum err err;

	TRY(take_ca(e, &ca, f));
	TRY(make_room(f));
	c = xcalloc(1, sizeof *c);
	memcpy(c->key, key, VERIFIER_KEY);
	memcpy(c->serial, leaf->serial.p, SERIAL_SIZE);
	c->not_before = e->not_before;
	c->not_after = e->not_after;
	c->expiry.on = expiry_came;
	c->ca = ca;
	ca->users++;
	attrs_init(&c->who);
	ENSURE(say_who(leaf, &c->who) == OK);
	map_add(certs, c);
	idle_add(c);
	err = source_of(c, verifier.by_list ? leaf->crl_url : leaf->ocsp_url,
			f);
	if (err != OK) {
		cert_drop(c);
		return err;
	}
	arm_expiry(c);
	*out = c;
	return OK;
}

/* ---- its connections */

void cert_use(struct vcert *c, struct vconn *conn)
{
	idle_drop(c);
	conn->cert = c;
	conn->next = c->conns;
	conn->at = &c->conns;
	if (c->conns)
		c->conns->at = &conn->next;
	c->conns = conn;
	c->n_conns++;
	source_used(c->source, 1);
}

void cert_leave(struct vconn *conn)
{
	struct vcert *c = conn->cert;

	*conn->at = conn->next;
	if (conn->next)
		conn->next->at = conn->at;
	conn->cert = NULL;
	c->n_conns--;
	if (!c->conns)
		idle_add(c);
	source_used(c->source, -1);
}

void cert_all_good(struct vcert *c)
{
	for (struct vconn *conn = c->conns; conn; conn = conn->next)
		conn_good(conn);
}

void cert_all_bad(struct vcert *c, const struct fault *why)
{
	while (c->conns)
		conn_bad(c->conns, why);
}

void cert_waiting_bad(struct vcert *c, const struct fault *why)
{
	struct vconn *conn, *next;

	for (conn = c->conns; conn; conn = next) {
		next = conn->next;
		if (conn->state == VCONN_ASKING)
			conn_bad(conn, why);
	}
}

void cert_is_revoked(struct vcert *c, const struct revoked_answer *a)
{
	char text[CLOCK_TEXT];

	clock_format(a->revoked_at, text);
	if (!c->why)
		c->why = xcalloc(1, sizeof *c->why);
	(void)fault_set(c->why, ERR_DENIED,
			"the client certificate was revoked at %s (%s)", text,
			revoked_reason(a->reason));
	cert_all_bad(c, c->why);
}

/* ---- another root */

static void ca_bad(const struct vca *ca, const struct fault *why)
{
	size_t n = certs ? map_count(certs) : 0, at = 0;
	AUTO(mem_free) struct vcert **all = xcalloc(n + 1, sizeof(*all));

	for (size_t i = 0; i < n; i++)
		all[i] = map_next(certs, &at);
	for (size_t i = 0; i < n; i++) {
		if (all[i]->ca != ca)
			continue;
		cert_all_bad(all[i], why);
		cert_drop(all[i]);
	}
}

void certs_new_root(void)
{
	int64_t now = clock_wall();

	for (size_t i = 0; i < VERIFIER_CAS; i++) {
		struct vca *v = &verifier.ca[i];
		struct fault f;

		if (!v->ca ||
		    chain_ca_check(&verifier.root, v->ca, now, &f) == OK)
			continue;
		ca_bad(v, &f);
		ENSURE(!v->users);
		chain_ca_free(&v->ca);
	}
}

/* ---- another name of this node */

static void caps_of(const struct attrs *who, struct cert_names *caps)
{
	struct attr_view it = attrs_view(who);
	struct attr a;

	caps->count = 0;
	while (attr_next(&it, &a))
		if (attr_named(&a, "cert.cap"))
			caps->at[caps->count++] = span_of(a.value, a.len);
}

/* admin= stands last, if it does. */
static void judge_admin(struct vcert *c)
{
	struct attr_view it = attrs_view(&c->who);
	bool was = attr_count(it, "admin") > 0;
	struct cert_names caps;
	struct attrs who;
	struct attr a;

	caps_of(&c->who, &caps);
	if (is_admin(&caps) == was)
		return;
	attrs_init(&who);
	while (attr_next(&it, &a))
		if (!attr_named(&a, "admin"))
			ENSURE(attrs_add_attr(&who, &a) == OK);
	if (!was)
		ENSURE(attrs_add_str(&who, "admin", "yes") == OK);
	attrs_wipe(&c->who);
	c->who = who;
	for (struct vconn *conn = c->conns; conn; conn = conn->next)
		conn_again(conn);
}

void certs_new_node(void)
{
	struct vcert *c;
	size_t at = 0;

	while (certs && (c = map_next(certs, &at)))
		judge_admin(c);
}
