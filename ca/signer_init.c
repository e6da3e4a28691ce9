/* Part of the signer: makes root and issuing CA, and renews the issuing certificate.
 * The root's private key is here for as long as that takes. */
#include "ca/signer.h"
#include "ca/signer_root.h"

#include "lib/crl.h"
#include "lib/own_file.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What IG_INIT asks for. */
struct plan {
	struct ca_scope scope;
	enum key_type type;
	unsigned bits;
	uint64_t root_life, issuing_life;
	int64_t now;
};

static void plan_wipe(struct plan *p)
{
	ca_scope_wipe(&p->scope);
}

static enum err life_check(const char *name, uint64_t life, struct fault *f)
{
	if (life >= SIGNER_LIFE_MIN && life <= SIGNER_LIFE_MAX)
		return OK;
	return fault_set(f, ERR_INVALID,
			 "%s has to be between an hour and 50 years", name);
}

static enum err key_check(struct attr_view v, struct plan *p, struct fault *f)
{
	uint64_t bits = 0;
	struct span t;

	TRY(signer_bytes(v, "key_type", 0, &t, f));
	TRY(signer_option(v, "bits", 8192, &bits, f));
	for (p->type = 0; p->type < KEY__MAX; p->type++)
		if (span_is(t, key_type_name(p->type)))
			break;
	if (p->type == KEY__MAX)
		return fault_set(f, ERR_INVALID,
				 "a CA's key is p256, p384, ed25519 or rsa");
	p->bits = (unsigned)bits;
	return OK;
}

static enum err plan_take(struct attr_view v, struct plan *p, struct fault *f)
{
	struct attr_view list;
	struct span scope;

	p->root_life = SIGNER_ROOT_LIFE;
	p->issuing_life = SIGNER_ISSUING_LIFE;
	TRY(key_check(v, p, f));
	TRY(signer_option(v, "root_life", UINT64_MAX, &p->root_life, f));
	TRY(signer_option(v, "issuing_life", UINT64_MAX, &p->issuing_life, f));
	TRY(life_check("root_life", p->root_life, f));
	TRY(life_check("issuing_life", p->issuing_life, f));
	TRY(signer_bytes(v, "scope", 0, &scope, f));
	TRY(attr_parse(scope.p, scope.n, &list, f));
	return ca_scope_parse(list, &p->scope, f);
}

/* The passphrase from the box into secret memory. */
static enum err passphrase_take(const struct signer *s, struct attr_view v,
				struct attrs *list, struct attr_view *out,
				struct fault *f)
{
	struct span box;
	struct attr a;

	TRY(signer_bytes(v, "box", 0, &box, f));
	TRY(box_open(s->box, box.p, box.n, list, f));
	if (attr_only(attrs_view(list), "passphrase", &a) != OK || !a.len)
		return fault_set(f, ERR_INVALID,
				 "the root key needs a passphrase");
	*out = (struct attr_view){ a.value, a.len };
	return OK;
}

/* What a CA's certificate says and root and issuing CA have in common. */
struct names {
	struct serial serial;
	uint8_t subject_key[20], authority_key[20];
	char uri[CERT_DOMAINS_MAX][DN_DOMAIN_MAX + 2];
	char crl[SCOPE_URL_MAX + 16], ocsp[SCOPE_URL_MAX + 16],
		root[SCOPE_URL_MAX + 16];
};

static void serial_of(const struct ca_scope *sc, uint64_t number,
		      struct serial *out)
{
	uint8_t tail[SERIAL_TAIL];

	random_fill(tail, sizeof tail);
	serial_make(sc->instance, number, tail, out);
}

static enum err ca_common(struct cert *c, struct names *n,
			  const struct ca_scope *sc, struct span spki,
			  uint64_t number, struct fault *f)
{
	struct pubkey k;

	TRY(pubkey_parse(spki, &k, f));
	pubkey_id(&k, n->subject_key);
	serial_of(sc, number, &n->serial);
	c->serial = span_of(n->serial.b, SERIAL_SIZE);
	c->spki = spki;
	c->ca = true;
	c->path_len = -1;
	c->key_usage = KU_CERT_SIGN | KU_CRL_SIGN;
	c->subject_key = span_of(n->subject_key, sizeof n->subject_key);
	return OK;
}

static struct dn dn_of(const struct ca_scope *sc, const char *cn)
{
	return (struct dn){ .domain = span_str(sc->domain[0]),
			    .cn = span_str(cn) };
}

/* Lints, signs, joins, and appends the certificate. */
static enum err ca_sign(const struct cert *c, const struct lint_issuer *li,
			struct signkey *by, struct buf *out, struct fault *f)
{
	AUTO(buf_wipe) struct buf tbs = { 0 }, sig = { 0 };
	struct span t;

	buf_init(&tbs, CERT_TBS_MAX);
	buf_init(&sig, CERT_MAX - CERT_TBS_MAX);
	if (cert_build(c, &tbs) != OK)
		return fault_set(f, ERR_INVALID,
				 "this scope does not fit into a certificate");
	t = span_of(tbs.p, tbs.len);
	TRY(lint_tbs(t, li, f));
	TRY(signkey_sign(by, t, &sig));
	return cert_join(t, c->alg, span_of(sig.p, sig.len), out);
}

static enum err root_make(const struct plan *p, struct signkey *root,
			  struct buf *out, struct fault *f)
{
	AUTO(buf_wipe) struct buf name = { 0 };
	struct names n = { 0 };
	struct cert c = { .alg = signkey_alg(root),
			  .not_before = p->now - PROFILE_BACKDATE,
			  .not_after = p->now + (int64_t)p->root_life };
	struct lint_issuer li = { .not_after = INT64_MAX, .self = true };

	buf_init(&name, CERT_TBS_MAX);
	TRY(ca_common(&c, &n, &p->scope, signkey_spki(root), 1, f));
	c.issuer = c.subject = dn_of(&p->scope, "Cretula root CA");
	TRY(dn_put(&name, &c.subject));
	li.name = span_of(name.p, name.len);
	li.key_id = c.subject_key;
	return ca_sign(&c, &li, root, out, f);
}

/* Below each domain, and the SPIFFE ids: GnuTLS and OpenSSL take `.domain` for what
 * is below it and a bare name for itself alone. */
static enum err constrain(struct cert *c, struct names *n,
			  const struct ca_scope *sc)
{
	for (unsigned i = 0; i < sc->n_domains; i++) {
		size_t len = strlen(sc->domain[i]);

		if (len > DN_DOMAIN_MAX)
			return ERR_INVALID;
		n->uri[i][0] = '.';
		memcpy(n->uri[i] + 1, sc->domain[i], len + 1);
		c->permit_dns.at[i] = span_str(sc->domain[i]);
		c->permit_uri.at[i] = span_str(n->uri[i]);
	}
	c->permit_dns.count = c->permit_uri.count = sc->n_domains;
	if (sc->trust_domain)
		c->permit_uri.at[c->permit_uri.count++] =
			span_str(sc->trust_domain);
	c->exclude_ip = true;
	return OK;
}

/* What signs the issuing certificate. */
struct parent {
	struct signkey *key;
	const struct cert *cert;
};

static enum err issuing_fill(const struct plan *p, const struct parent *by,
			     struct span spki, uint64_t number, struct cert *c,
			     struct names *n, struct fault *f)
{
	*c = (struct cert){ .alg = signkey_alg(by->key) };
	TRY(ca_common(c, n, &p->scope, spki, number, f));
	TRY(constrain(c, n, &p->scope));
	c->path_len = 0;
	c->issuer = by->cert->subject;
	c->subject = dn_of(&p->scope, "Cretula issuing CA");
	memcpy(n->authority_key, by->cert->subject_key.p,
	       sizeof n->authority_key);
	c->authority_key = span_of(n->authority_key, sizeof n->authority_key);
	(void)snprintf(n->crl, sizeof n->crl, "%s/root.crl", p->scope.url);
	c->crl_url = span_str(n->crl);
	(void)snprintf(n->ocsp, sizeof n->ocsp, "%s/ocsp", p->scope.url);
	c->ocsp_url = span_str(n->ocsp);
	(void)snprintf(n->root, sizeof n->root, "%s/root.der", p->scope.url);
	c->issuer_url = span_str(n->root);
	c->not_before = p->now - PROFILE_BACKDATE;
	c->not_after =
		MIN(p->now + (int64_t)p->issuing_life, by->cert->not_after);
	return OK;
}

/* The issuing certificate for that key, appended. */
static enum err issuing_make(const struct plan *p, struct signkey *root,
			     struct span root_der, struct span spki,
			     uint64_t number, struct buf *out, struct fault *f)
{
	struct cert parent, c;
	struct parent by = { root, &parent };
	struct names n = { 0 };
	struct lint_issuer li = { 0 };

	TRY(root_read(root_der, &parent, f));
	if (!span_equal(parent.spki, signkey_spki(root)))
		return fault_set(f, ERR_CONFLICT,
				 "the root key is not that of the root "
				 "certificate");
	if (parent.not_after <= p->now)
		return fault_set(f, ERR_EXPIRED, "the root certificate ended");
	TRY(issuing_fill(p, &by, spki, number, &c, &n, f));
	li.name = parent.subject_der;
	li.key_id = parent.subject_key;
	li.not_after = parent.not_after;
	return ca_sign(&c, &li, root, out, f);
}

enum err signer_take_issuing(struct signer *s, struct fault *f)
{
	struct signer_keys *k = &s->keys;
	struct cert_signed split;
	AUTO(ca_scope_wipe) struct ca_scope scope = { 0 };

	TRY(cert_split(span_of(k->issuing_cert.p, k->issuing_cert.len), &split,
		       f));
	TRY(cert_parse_tbs(split.tbs, &s->issuing, f));
	if (!span_equal(s->issuing.spki, signkey_spki(k->issuing)))
		return fault_set(f, ERR_CONFLICT,
				 "the issuing key is not that of the issuing "
				 "certificate");
	TRY(pubkey_parse(s->issuing.spki, &s->issuing_key, f));
	TRY(ca_scope_parse(attrs_view(&k->scope), &scope, f));
	TRY(ca_scope_take(&scope, &s->issuing, f));
	ca_scope_wipe(&s->scope);
	s->scope = scope;
	scope = (struct ca_scope){ 0 };
	s->lint = (struct lint_issuer){ .name = s->issuing.subject_der,
					.key_id = span_of(s->scope.key_id, 20),
					.not_after = s->issuing.not_after };
	ocsp_issuer_make(s->issuing.subject_der, &s->issuing_key, &s->ids);
	return OK;
}

static enum err root_says_of(const struct plan *p, struct signkey *root,
			     struct span root_der, struct span issuing_der,
			     uint64_t number, struct buf *out, struct fault *f)
{
	struct root_statement st = {
		.root = root_der,
		.issuing = issuing_der,
		.number = number,
		.from = p->now - PROFILE_BACKDATE,
		.until = p->now + (int64_t)p->issuing_life,
	};

	return root_says_make(&st, root, out, f);
}

/* Root, issuing key and their certificates, in memory. */
static enum err all_make(struct signer *s, const struct plan *p,
			 struct signkey **root, struct fault *f)
{
	struct signer_keys *k = &s->keys;
	struct span root_der;

	TRY(keys_new(k, p->type, p->bits, f));
	TRY(ca_scope_format(&p->scope, &k->scope));
	TRY(signkey_new(p->type, p->bits, root, f));
	TRY(root_make(p, *root, &k->root, f));
	root_der = span_of(k->root.p, k->root.len);
	TRY(issuing_make(p, *root, root_der, signkey_spki(k->issuing), 2,
			 &k->issuing_cert, f));
	TRY(root_says_of(p, *root, root_der,
			 span_of(k->issuing_cert.p, k->issuing_cert.len), 2,
			 &k->root_says, f));
	k->root_next = SIGNER_FIRST;
	return signer_take_issuing(s, f);
}

/* `issuing` comes last: with it there is a CA. A root key without it is of no use. */
static enum err all_save(struct signer *s, const struct signkey *root,
			 struct attr_view passphrase, struct fault *f)
{
	struct signer_keys *k = &s->keys;
	enum err e;

	TRY(root_save(k, s->dir, root, passphrase, f));
	e = mark_make(s->dir, k->mark_key, SIGNER_FIRST, f);
	if (e == OK)
		e = mark_open(&s->mark, s->dir, k->mark_key, f);
	if (e == OK)
		e = keys_save(k, s->dir, &s->keyfile, f);
	if (e != OK && !own_file_there(s->dir, KEYS_FILE))
		(void)unlinkat(s->dir, ROOT_FILE, 0);
	return e;
}

static void undo(struct signer *s)
{
	mark_close(&s->mark);
	ca_scope_wipe(&s->scope);
	keys_wipe(&s->keys);
}

enum err signer_make(struct signer *s, struct attr_view v, int64_t now,
		     struct fault *f)
{
	AUTO(signkey_free) struct signkey *root = NULL;
	AUTO(plan_wipe) struct plan p = { .now = now };
	AUTO(attrs_wipe) struct attrs list = { 0 };
	struct attr_view passphrase;
	enum err e;

	attrs_init_secret(&list);
	TRY(passphrase_take(s, v, &list, &passphrase, f));
	TRY(plan_take(v, &p, f));
	if (own_file_there(s->dir, ROOT_FILE))
		return fault_set(f, ERR_EXISTS,
				 "'" ROOT_FILE "' of another CA is in the "
				 "signer's folder: move it away first");
	e = all_make(s, &p, &root, f);
	if (e == OK)
		e = all_save(s, root, passphrase, f);
	if (e != OK)
		undo(s);
	else
		s->state = SIGNER_READY;
	return e;
}

static enum err renew_plan(const struct signer *s, struct attr_view v,
			   struct plan *p, struct fault *f)
{
	p->issuing_life = SIGNER_ISSUING_LIFE;
	TRY(signer_option(v, "issuing_life", UINT64_MAX, &p->issuing_life, f));
	TRY(life_check("issuing_life", p->issuing_life, f));
	return ca_scope_parse(attrs_view(&s->keys.scope), &p->scope, f);
}

/* Puts der and crl in the place of the issuing certificate and the root's list, on the
 * disk first. */
static enum err issuing_replace(struct signer *s, struct buf *der,
				struct buf *says, struct fault *f)
{
	struct signer_keys *k = &s->keys;
	struct buf old = k->issuing_cert, old_says = k->root_says;
	struct fault again;
	enum err e;

	k->issuing_cert = *der;
	k->root_says = *says;
	k->root_next++;
	e = signer_take_issuing(s, f);
	if (e == OK)
		e = keys_save(k, s->dir, &s->keyfile, f);
	if (e == OK) {
		*der = old;
		*says = old_says;
		return OK;
	}
	k->issuing_cert = old;
	k->root_says = old_says;
	k->root_next--;
	ENSURE(signer_take_issuing(s, &again) == OK);
	return e;
}

enum err signer_renew(struct signer *s, struct attr_view v, int64_t now,
		      struct fault *f)
{
	AUTO(signkey_free) struct signkey *root = NULL;
	AUTO(plan_wipe) struct plan p = { .now = now };
	AUTO(attrs_wipe) struct attrs list = { 0 };
	AUTO(buf_wipe) struct buf der = { 0 }, says = { 0 };
	struct attr_view passphrase;
	struct span root_der = span_of(s->keys.root.p, s->keys.root.len);

	buf_init(&der, KEYS_CERT_MAX);
	buf_init(&says, KEYS_CERT_MAX);
	attrs_init_secret(&list);
	TRY(passphrase_take(s, v, &list, &passphrase, f));
	TRY(renew_plan(s, v, &p, f));
	TRY(root_load(&s->keys, s->dir, passphrase, &root, f));
	TRY(issuing_make(&p, root, root_der, signkey_spki(s->keys.issuing),
			 s->keys.root_next, &der, f));
	TRY(root_says_of(&p, root, root_der, span_of(der.p, der.len),
			 s->keys.root_next, &says, f));
	return issuing_replace(s, &der, &says, f);
}
