/* Part of the signer: which message does what, in which state. */
#include "ca/signer.h"

#include "ca/kinds.h"
#include "lib/ca_scope.h"
#include "lib/crl.h"
#include "lib/own_file.h"

#include <string.h>
#include <unistd.h>

_Static_assert((int)SCOPE_SHARDS_MAX <= (int)MARK_SHARDS_MAX,
	       "the mark keeps a number for every CRL");

enum err signer_bytes(struct attr_view v, const char *name, size_t size,
		      struct span *out, struct fault *f)
{
	struct attr a;

	if (attr_only(v, name, &a) != OK || !a.len || (size && a.len != size))
		return fault_set(
			f, ERR_INVALID,
			"the signer was asked without a usable %s=", name);
	*out = span_of(a.value, a.len);
	return OK;
}

enum err signer_number(struct attr_view v, const char *name, uint64_t max,
		       uint64_t *n, struct fault *f)
{
	struct attr a;

	if (attr_only(v, name, &a) != OK || attr_u64(&a, max, n) != OK)
		return fault_set(
			f, ERR_INVALID,
			"the signer was asked without a usable %s=", name);
	return OK;
}

enum err signer_option(struct attr_view v, const char *name, uint64_t max,
		       uint64_t *n, struct fault *f)
{
	struct attr a;

	if (!attr_find(v, name, &a))
		return OK;
	return signer_number(v, name, max, n, f);
}

bool signer_near(int64_t t, int64_t now)
{
	return t >= now - SIGNER_NEAR && t <= now + SIGNER_NEAR;
}

static void broken(struct signer *s)
{
	s->state = SIGNER_BROKEN;
	signer_ocsp_wipe(&s->ocsp);
	signkey_free(&s->ocsp_next);
	mark_close(&s->mark);
	ca_scope_wipe(&s->scope);
	keys_wipe(&s->keys);
}

static void load(struct signer *s)
{
	if (!own_file_there(s->dir, KEYS_FILE)) {
		s->state = SIGNER_NONE;
		return;
	}
	if (keys_load(&s->keys, s->dir, &s->keyfile, &s->why) != OK ||
	    signer_take_issuing(s, &s->why) != OK ||
	    mark_open(&s->mark, s->dir, s->keys.mark_key, &s->why) != OK) {
		broken(s);
		return;
	}
	s->state = SIGNER_READY;
}

void signer_init(struct signer *s, int dir, struct buf *keyfile)
{
	*s = (struct signer){ .dir = dir,
			      .keyfile = *keyfile,
			      .mark = { .fd = -1 } };
	buf_init_secret(keyfile, 0);
	keys_init(&s->keys);
	buf_init(&s->again, CERT_MAX);
	buf_init(&s->sig, CRL_SIG_MAX);
	buf_init(&s->der, CERT_MAX);
	buf_init(&s->ocsp.cert, CERT_MAX);
	s->box = box_keys_random();
	s->profiles = profiles_new(false);
	load(s);
}

void signer_wipe(struct signer *s)
{
	broken(s);
	profiles_free(&s->profiles);
	box_keys_drop(&s->box);
	buf_wipe(&s->keyfile);
	buf_wipe(&s->again);
	buf_wipe(&s->sig);
	buf_wipe(&s->der);
	fd_close(&s->dir);
}

void signer_profiles(struct signer *s, struct profiles *p)
{
	profiles_free(&s->profiles);
	s->profiles = p;
}

static enum err ready_format(const struct signer *s, struct attrs *out)
{
	const struct mark *m = &s->mark;

	TRY(attrs_add_str(out, "state", "ready"));
	TRY(attrs_add(out, "scope", 0, s->keys.scope.bytes.p,
		      s->keys.scope.bytes.len));
	TRY(attrs_add(out, "root", 0, s->keys.root.p, s->keys.root.len));
	TRY(attrs_add(out, "root_says", 0, s->keys.root_says.p,
		      s->keys.root_says.len));
	TRY(attrs_add(out, "issuing", 0, s->keys.issuing_cert.p,
		      s->keys.issuing_cert.len));
	TRY(attrs_add(out, "store", 0, s->keys.store, STORE_ID_SIZE));
	TRY(attrs_add(out, "log_key", 0, s->keys.log_key, NOTE_PUBLIC));
	TRY(attrs_add_str(out, "root_key",
			  own_file_there(s->dir, ROOT_FILE) ? "yes" : "no"));
	TRY(attrs_add_u64(out, "next", m->next));
	TRY(attrs_add_u64(out, "log_size", m->now.log_size));
	TRY(attrs_add_u64(out, "epoch", m->now.epoch));
	TRY(attrs_add_u64(out, "signed", m->now.count));
	return attrs_add(out, "chain", 0, m->now.chain.b, MERKLE_HASH);
}

enum err signer_state_format(const struct signer *s, struct attrs *out)
{
	switch (s->state) {
	case SIGNER_NONE:
		return attrs_add_str(out, "state", "none");
	case SIGNER_READY:
		return ready_format(s, out);
	case SIGNER_BROKEN:
		TRY(attrs_add_str(out, "state", "broken"));
		return attrs_add_str(out, "text", s->why.text);
	}
	UNREACHABLE("signer state");
}

/* Only IG_INIT is for a signer without keys. */
static enum err check_state(const struct signer *s, uint32_t kind,
			    struct fault *f)
{
	if (s->state == SIGNER_BROKEN)
		return fault_set(f, ERR_UNAVAILABLE, "%s", s->why.text);
	if (kind == IG_INIT && s->state == SIGNER_READY)
		return fault_set(f, ERR_EXISTS,
				 "this CA has its keys already: they are made "
				 "once");
	if (kind != IG_INIT && s->state == SIGNER_NONE)
		return fault_set(f, ERR_UNAVAILABLE,
				 "there is no CA yet: run 'cretula ca init'");
	return OK;
}

static enum err call(struct signer *s, const struct msg *m, int fd, int64_t now,
		     struct signer_reply *r, struct fault *f)
{
	struct attr_view v = m->attrs;

	r->kind = IG_DONE;
	switch (m->kind) {
	case IG_INIT:
		r->changed = true;
		return signer_make(s, v, now, f);
	case IG_RENEW:
		r->changed = true;
		return signer_renew(s, v, now, f);
	case IG_SIGN:
		r->kind = IG_SIGNED;
		return signer_cert(s, v, now, r->out, f);
	case IG_OCSP_NEW:
		r->kind = IG_OCSP_KEY;
		return signer_ocsp_new(s, r->out, f);
	case IG_OCSP_USE:
		return signer_ocsp_use(s, v, now, f);
	case IG_OCSP:
		r->kind = IG_OCSP_SIGNED;
		return signer_ocsp(s, v, now, r->out, f);
	case IG_CRL:
		r->kind = IG_CRL_SIGNED;
		return signer_crl(s, v, fd, now, r->out, f);
	case IG_NOTE:
		r->kind = IG_NOTED;
		return signer_note(s, v, now, r->out, f);
	default:
		return fault_set(f, ERR_INVALID,
				 "the signer knows no message %u", m->kind);
	}
}

enum err signer_call(struct signer *s, const struct msg *m, int fd, int64_t now,
		     struct signer_reply *r, struct fault *f)
{
	enum err e;

	f->text[0] = 0;
	r->changed = false;
	e = check_state(s, m->kind, f);
	if (e == OK)
		e = call(s, m, fd, now, r, f);
	if (e == OK)
		return OK;
	attrs_clear(r->out);
	r->changed = false;
	r->kind = IG_REFUSED;
	if (!f->text[0])
		(void)fault_set(f, e, "the signer could not do it (%s)",
				err_name(e));
	ENSURE(attrs_add_str(r->out, "error", err_name(e)) == OK);
	ENSURE(attrs_add_str(r->out, "text", f->text) == OK);
	if (m->kind == IG_SIGN && s->state == SIGNER_READY)
		ENSURE(attrs_add_u64(r->out, "next", s->mark.next) == OK);
	return e;
}
