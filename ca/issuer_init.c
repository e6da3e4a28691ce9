/* Issuer: what the signer tells of the CA, making one, renewing the issuing CA. The
 * passphrase of the root key passes through here as a box for the signer.
 *	issuer -> signer IG_INIT, IG_RENEW	signer -> issuer IG_STATE, IG_DONE */
#include "ca/issuer.h"

#include "lib/child.h"
#include "lib/enc.h"
#include "lib/log.h"
#include "lib/merkle.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	INIT_SHARDS = 16,
};

static struct {
	bool busy, answer;
	uint64_t id;
	struct ask ask;
	const char *event;
} init;

/* State */

static struct attr need(const struct msg *m, const char *name)
{
	struct attr a;

	if (attr_only(m->attrs, name, &a) != OK)
		child_broken("signer");
	return a;
}

static enum err keep(const struct msg *m, const char *name, struct buf *to)
{
	struct attr a = need(m, name);

	buf_clear(to);
	return buf_put(to, a.value, a.len);
}

static void keep_chain(void)
{
	struct cert_signed s;
	struct fault f;

	if (cert_split(span_of(issuer.issuing.p, issuer.issuing.len), &s, &f) !=
		    OK ||
	    cert_parse_tbs(s.tbs, &issuer.issuing_cert, &f) != OK ||
	    ca_scope_take(&issuer.scope, &issuer.issuing_cert, &f) != OK ||
	    pubkey_parse(issuer.issuing_cert.spki, &issuer.issuing_key, &f) !=
		    OK) {
		log_text(LOG_CRIT, "signer", "%s", f.text);
		child_broken("signer");
	}
	sig_check_free(&issuer.sig_check);
	issuer.sig_check = sig_check_new(&issuer.issuing_key);
	ENSURE(issuer.sig_check);
	ocsp_issuer_make(issuer.issuing_cert.subject_der, &issuer.issuing_key,
			 &issuer.ocsp_issuer);
}

/* Who asks about the issuing CA names the root. */
static void keep_root(void)
{
	struct cert_signed s;
	struct attr_view says;
	struct pubkey key;
	struct cert c;
	struct fault f;

	if (attr_parse(issuer.root_says.p, issuer.root_says.len, &says, &f) !=
		    OK ||
	    cert_split(span_of(issuer.root.p, issuer.root.len), &s, &f) != OK ||
	    cert_parse_tbs(s.tbs, &c, &f) != OK ||
	    pubkey_parse(c.spki, &key, &f) != OK)
		child_broken("signer");
	ocsp_issuer_make(c.subject_der, &key, &issuer.root_ocsp);
}

static void keep_ready(const struct msg *m)
{
	struct attr_view scope;
	struct fault f;
	struct attr a = need(m, "scope");

	ca_scope_wipe(&issuer.scope);
	if (attr_parse(a.value, a.len, &scope, &f) != OK ||
	    ca_scope_parse(scope, &issuer.scope, &f) != OK ||
	    keep(m, "root", &issuer.root) != OK ||
	    keep(m, "root_says", &issuer.root_says) != OK ||
	    keep(m, "issuing", &issuer.issuing) != OK)
		child_broken("signer");
	keep_chain();
	keep_root();
	a = need(m, "log_key");
	if (a.len != NOTE_PUBLIC)
		child_broken("signer");
	memcpy(issuer.log_key, a.value, NOTE_PUBLIC);
	a = need(m, "store");
	if (a.len != NOTE_STORE_ID)
		child_broken("signer");
	note_origin("ca", a.value, issuer.origin);
	issuer.signer_next = child_number(m, "next", SERIAL_NUMBER_MAX);
	issuer.signer_log = child_number(m, "log_size", INT64_MAX);
	issuer.signer_epoch = child_number(m, "epoch", INT64_MAX);
	issuer.signer_count = child_number(m, "signed", INT64_MAX);
	issuer.signer_ready = true;
}

void init_state(const struct msg *m)
{
	struct attr a = need(m, "state");

	if (attr_is(&a, "ready")) {
		keep_ready(m);
	} else if (attr_is(&a, "broken")) {
		struct fault f;

		(void)fault_set(&f, ERR_UNAVAILABLE, "%s",
				child_text(m, "text"));
		issuer_break(&f);
	}
	issuer.signer_told = true;
	issuer_settle();
}

/* Done: the beginning of the log */

struct made {
	struct txn_entry entry; /* first member */
	struct ask ask;
};

static enum err say_ca(struct attrs *out)
{
	char text[CLOCK_TEXT], hash[2 * MERKLE_HASH + 1];
	struct merkle_hash h;

	for (unsigned i = 0; i < issuer.scope.n_domains; i++)
		TRY(attrs_add_str(out, "domain", issuer.scope.domain[i]));
	TRY(attrs_add_str(out, "key_type",
			  key_type_name(issuer.issuing_key.type)));
	merkle_sha256(issuer.root.p, issuer.root.len, NULL, 0, &h);
	enc_hex(h.b, sizeof h.b, hash);
	TRY(attrs_add_str(out, "root_sha256", hash));
	merkle_sha256(issuer.issuing.p, issuer.issuing.len, NULL, 0, &h);
	enc_hex(h.b, sizeof h.b, hash);
	TRY(attrs_add_str(out, "issuing_sha256", hash));
	clock_format(issuer.scope.not_after, text);
	return attrs_add_str(out, "issuing_ends", text);
}

static void made(struct txn_entry *e, const struct fault *f)
{
	struct made *j = (struct made *)e;
	struct attrs reply;

	if (f) {
		ask_fault(&j->ask, f);
	} else {
		attrs_init(&reply);
		ENSURE(say_ca(&reply) == OK);
		ask_reply(&j->ask, &reply);
		attrs_wipe(&reply);
	}
	txn_entry_wipe(e);
	free(j);
}

static void record(void)
{
	struct made *j = xcalloc(1, sizeof *j);
	struct attrs *r = &j->entry.record;

	txn_entry_init(&j->entry, made);
	j->ask = init.ask;
	ENSURE(attrs_add_str(r, "event", init.event) == OK);
	ENSURE(ask_said(&init.ask, r) == OK);
	ENSURE(ask_id(&init.ask, r) == OK);
	ENSURE(say_ca(r) == OK);
	txn_add(&j->entry);
}

/* id 0: whatever was asked. */
void init_done(uint64_t id, const struct fault *f)
{
	struct fault g;

	if (!init.busy || (id && id != init.id))
		return;
	init.busy = false;
	if (f)
		ask_fault(&init.ask, f);
	else if (issuer_open(&g) != OK)
		ask_fault(&init.ask, &g);
	else
		record();
}

/* Asking */

static void send_box(const struct ask *a, uint32_t kind, const char *event,
		     const struct attrs *m)
{
	struct fault f;

	if (init.busy || !chan_is_open(&issuer.signer)) {
		(void)fault_set(&f, ERR_UNAVAILABLE,
				"the signer is busy: try again");
		ask_fault(a, &f);
		return;
	}
	init.ask = *a;
	init.event = event;
	init.id = issuer_id(ABOUT_INIT);
	init.busy = true;
	if (chan_send(&issuer.signer, kind, init.id, attrs_view(m)) == OK)
		return;
	(void)fault_set(&f, ERR_UNAVAILABLE, "the signer cannot be asked");
	init_done(init.id, &f);
}

static enum err take_scope(struct attr_view v, struct attrs *out,
			   struct fault *f)
{
	struct attr_view it = v;
	struct ca_scope s = { 0 };
	struct attrs scope;
	uint64_t shards, instance;
	struct attr a;
	enum err e;

	attrs_init(&scope);
	e = call_number(v, "shards", INIT_SHARDS, 256, &shards, f);
	if (e == OK)
		e = call_number(v, "instance", 1, 127, &instance, f);
	while (e == OK && attr_next(&it, &a))
		if (attr_named(&a, "domain") || attr_named(&a, "trust_domain"))
			e = attrs_add_attr(&scope, &a);
	if (e == OK)
		e = attrs_add_u64(&scope, "shards", shards);
	if (e == OK)
		e = attrs_add_u64(&scope, "instance", instance);
	if (e == OK)
		e = attrs_add_str(&scope, "url", issuer.url);
	if (e == OK)
		e = ca_scope_parse(attrs_view(&scope), &s, f);
	if (e == OK)
		e = attrs_add(out, "scope", 0, scope.bytes.p, scope.bytes.len);
	ca_scope_wipe(&s);
	attrs_wipe(&scope);
	return e;
}

void verb_init(const struct ask *a, struct attr_view v)
{
	static const char *const same[] = { "box", "key_type", "bits",
					    "root_life", "issuing_life" };
	struct fault f = { .code = ERR_INVALID };
	struct attrs m;
	struct attr one;

	if (issuer.state == ISSUER_READY) {
		(void)fault_set(&f, ERR_EXISTS,
				"there is a CA already: 'cretula ca root' "
				"shows it");
		ask_fault(a, &f);
		return;
	}
	if (issuer.state != ISSUER_EMPTY) {
		ask_fault(a, issuer_open(&f) == OK ? &issuer.broken : &f);
		return;
	}
	attrs_init(&m);
	if (take_scope(v, &m, &f) != OK) {
		ask_fault(a, &f);
	} else {
		for (size_t i = 0; i < NELEM(same); i++)
			if (attr_only(v, same[i], &one) == OK)
				ENSURE(attrs_add_attr(&m, &one) == OK);
		send_box(a, IG_INIT, "ca.init", &m);
	}
	attrs_wipe(&m);
}

void verb_renew(const struct ask *a, struct attr_view v)
{
	struct attrs m;
	struct attr one;

	attrs_init(&m);
	if (attr_only(v, "box", &one) == OK)
		ENSURE(attrs_add_attr(&m, &one) == OK);
	if (attr_only(v, "issuing_life", &one) == OK)
		ENSURE(attrs_add_attr(&m, &one) == OK);
	send_box(a, IG_RENEW, "ca.renew", &m);
	attrs_wipe(&m);
}
