/* Used by the vault, which holds a store's keys, and by the command, which makes
 * anonymous exports and holds none. */
#include "lib/export.h"

#include "lib/box.h"
#include "lib/enc.h"
#include "lib/pem.h"

#include <sodium.h>
#include <string.h>

_Static_assert((int)EXPORT_KEY == (int)BOX_KEY &&
		       EXPORT_KEY == crypto_sign_PUBLICKEYBYTES &&
		       EXPORT_KEY == crypto_sign_SEEDBYTES &&
		       EXPORT_SIG == crypto_sign_BYTES,
	       "sizes of libsodium's keys");
_Static_assert(EXPORT_LIST_MAX + EXPORT_HEAD + BOX_EXTRA <= EXPORT_MAX,
	       "the largest list fits the largest export");

static const char MAGIC[4] = { 'C', 'S', 'X', '1' };
static const char SIGNED[] = "cretula-export-v1"; /* with its NUL */
static const char ANONYMOUS[] = "anonymous";

struct export_keys {
	struct box_keys *box;
	uint8_t sign_pub[EXPORT_KEY];
	uint8_t sign_secret[crypto_sign_SECRETKEYBYTES];
};

struct export_keys *export_keys_new(const uint8_t seal[EXPORT_KEY],
				    const uint8_t sign[EXPORT_KEY])
{
	struct export_keys *k = secret_alloc(sizeof *k);

	k->box = box_keys_from(seal);
	ENSURE(crypto_sign_seed_keypair(k->sign_pub, k->sign_secret, sign) ==
	       0);
	return k;
}

void export_keys_drop(struct export_keys **k)
{
	if (*k)
		box_keys_drop(&(*k)->box);
	secret_free(*k);
	*k = NULL;
}

const uint8_t *export_seal_key(const struct export_keys *k)
{
	return box_public(k->box);
}

const uint8_t *export_sign_key(const struct export_keys *k)
{
	return k->sign_pub;
}

void export_key_id(const uint8_t seal[EXPORT_KEY], uint8_t id[EXPORT_KEY_ID])
{
	uint8_t hash[32];

	ENSURE(crypto_generichash(hash, sizeof hash, seal, EXPORT_KEY, NULL,
				  0) == 0);
	memcpy(id, hash, EXPORT_KEY_ID);
}

/* Purposes */

static const char *const purposes[] = {
	[EXPORT_EXPORT] = "export",
	[EXPORT_ROTATE] = "rotate",
	[EXPORT_SEAL] = "seal",
};

_Static_assert(NELEM(purposes) == EXPORT__PURPOSES, "every one has a name");

const char *export_purpose_name(enum export_purpose p)
{
	ENSURE((unsigned)p < EXPORT__PURPOSES);
	return purposes[p];
}

static enum err purpose_parse(const struct attr *a, enum export_purpose *p)
{
	for (unsigned i = 0; i < EXPORT__PURPOSES; i++) {
		if (attr_is(a, purposes[i])) {
			*p = (enum export_purpose)i;
			return OK;
		}
	}
	return ERR_INVALID;
}

/* Making */

static enum err list_format(const struct export *x,
			    const uint8_t to[EXPORT_KEY],
			    const struct export_keys *from, struct attrs *a)
{
	TRY(attrs_add_str(a, "purpose", export_purpose_name(x->purpose)));
	TRY(attrs_add(a, "to", 0, to, EXPORT_KEY));
	TRY(from ? attrs_add(a, "from", 0, from->sign_pub, EXPORT_KEY)
		 : attrs_add_str(a, "from", ANONYMOUS));
	TRY(attrs_add_str(a, "name", x->name));
	TRY(attrs_add_str(a, "module", x->module));
	if (x->version)
		TRY(attrs_add_u64(a, "version", x->version));
	TRY(attrs_add_u64(a, "made", (uint64_t)x->made));
	if (x->not_after)
		TRY(attrs_add_u64(a, "not_after", (uint64_t)x->not_after));
	TRY(attrs_add(a, "id", 0, x->id, EXPORT_ID));
	return attrs_add(a, "attributes", ATTR_CONFIDENTIAL, x->attributes.p,
			 x->attributes.len);
}

/* Plain Ed25519 (not its prehashed form), so that anybody's library can check it. */
static enum err signed_bytes(const uint8_t *list, size_t len, struct buf *out)
{
	TRY(buf_put(out, SIGNED, sizeof SIGNED));
	return buf_put(out, list, len);
}

static enum err sign(const struct export_keys *k, struct attrs *a)
{
	AUTO(buf_wipe) struct buf text = { 0 };
	uint8_t sig[EXPORT_SIG];

	buf_init_secret(&text, EXPORT_LIST_MAX + sizeof SIGNED);
	TRY(signed_bytes(a->bytes.p, a->bytes.len, &text));
	ENSURE(crypto_sign_detached(sig, NULL, text.p, text.len,
				    k->sign_secret) == 0);
	return attrs_add(a, "signature", 0, sig, sizeof sig);
}

static enum err head_format(const uint8_t to[EXPORT_KEY], struct buf *out)
{
	uint8_t id[EXPORT_KEY_ID];

	export_key_id(to, id);
	TRY(buf_put(out, MAGIC, sizeof MAGIC));
	TRY(buf_u8(out, EXPORT_SUITE));
	return buf_put(out, id, sizeof id);
}

enum err export_make(const struct export *x, const uint8_t to[EXPORT_KEY],
		     const struct export_keys *from, struct buf *out,
		     struct fault *f)
{
	AUTO(attrs_wipe) struct attrs list = { 0 };
	const size_t start = out->len;
	enum err e;

	ENSURE(x->anonymous == !from);
	attrs_init_secret(&list);
	e = list_format(x, to, from, &list);
	if (e == OK && from)
		e = sign(from, &list);
	if (e == OK && list.bytes.len > EXPORT_LIST_MAX)
		e = ERR_TOO_LARGE;
	if (e == OK)
		e = head_format(to, out);
	if (e == OK)
		e = box_seal(to, attrs_view(&list), out);
	if (e == OK)
		return OK;
	out->len = start;
	return e == ERR_INVALID ? fault_set(f, e,
					    "the recipient's sealing key is "
					    "not usable")
				: fault_set(f, e,
					    "credential '%s' is too large to "
					    "be exported",
					    x->name);
}

/* The list */

static enum err bad(struct fault *f, const char *name)
{
	return fault_set(f, ERR_INVALID,
			 "the sealed export has no readable '%s'", name);
}

static enum err get_text(struct attr_view v, const char *name, char *out,
			 size_t max, struct fault *f)
{
	struct attr a;

	if (attr_only(v, name, &a) != OK || !a.len || a.len > max ||
	    memchr(a.value, 0, a.len))
		return bad(f, name);
	memcpy(out, a.value, a.len);
	out[a.len] = '\0';
	return OK;
}

static enum err get_number(struct attr_view v, const char *name, bool needed,
			   uint64_t max, uint64_t *out, struct fault *f)
{
	struct attr a;
	enum err e = attr_only(v, name, &a);

	*out = 0;
	if (e == ERR_NOT_FOUND && !needed)
		return OK;
	if (e != OK || attr_u64(&a, max, out) != OK || !*out)
		return bad(f, name);
	return OK;
}

static enum err get_bytes(struct attr_view v, const char *name, uint8_t *out,
			  size_t n, struct fault *f)
{
	struct attr a;

	if (attr_only(v, name, &a) != OK || a.len != n)
		return bad(f, name);
	memcpy(out, a.value, n);
	return OK;
}

static enum err get_sender(struct attr_view v, struct export *x,
			   struct fault *f)
{
	struct attr a;

	if (attr_only(v, "from", &a) != OK)
		return bad(f, "from");
	x->anonymous = attr_is(&a, ANONYMOUS);
	if (x->anonymous != (x->purpose == EXPORT_SEAL))
		return fault_set(f, ERR_INVALID,
				 "the sealed export says that it is %s, and "
				 "is%s signed",
				 export_purpose_name(x->purpose),
				 x->anonymous ? " not" : "");
	return x->anonymous ? OK
			    : get_bytes(v, "from", x->sender, EXPORT_KEY, f);
}

static enum err get_numbers(struct attr_view v, struct export *x,
			    struct fault *f)
{
	uint64_t made, end;

	TRY(get_number(v, "version", !x->anonymous, EXPORT_VERSION_MAX,
		       &x->version, f));
	TRY(get_number(v, "made", true, INT64_MAX / 2, &made, f));
	TRY(get_number(v, "not_after", false, INT64_MAX / 2, &end, f));
	x->made = (int64_t)made;
	x->not_after = (int64_t)end;
	return OK;
}

static enum err get_attributes(struct attr_view v, struct export *x,
			       struct fault *f)
{
	struct attr a;

	if (attr_only(v, "attributes", &a) != OK ||
	    attr_parse(a.value, a.len, &x->attributes, NULL) != OK)
		return bad(f, "attributes");
	return OK;
}

/* Nothing beside what is known: each of these was found exactly once. */
static enum err check_count(struct attr_view v, const struct export *x,
			    struct fault *f)
{
	unsigned want = 8;
	struct attr a;
	unsigned n = 0;

	want += x->version ? 1 : 0;
	want += x->not_after ? 1 : 0;
	want += x->anonymous ? 0 : 1;
	while (attr_next(&v, &a))
		n++;
	if (n != want)
		return fault_set(f, ERR_UNSUPPORTED,
				 "the sealed export says things that this "
				 "version does not know");
	return OK;
}

/* The signature is the last attribute, and signs all before it. */
static enum err check_signature(struct attr_view v, const struct export *x,
				struct fault *f)
{
	AUTO(buf_wipe) struct buf text = { 0 };
	struct attr_view it = v;
	struct attr a = { 0 };
	size_t before = 0;

	for (;;) {
		size_t at = v.len - it.len;

		if (!attr_next(&it, &a))
			break;
		before = at;
	}
	if (!v.len || !attr_named(&a, "signature") || a.len != EXPORT_SIG)
		return bad(f, "signature");
	buf_init_secret(&text, EXPORT_LIST_MAX + sizeof SIGNED);
	if (signed_bytes(v.p, before, &text) != OK)
		return fault_set(f, ERR_TOO_LARGE,
				 "the sealed export is too large");
	if (crypto_sign_verify_detached(a.value, text.p, text.len, x->sender))
		return fault_set(f, ERR_INVALID,
				 "the sealed export's signature is not its "
				 "sender's");
	return OK;
}

enum err export_list_parse(struct attr_view v, const uint8_t to[EXPORT_KEY],
			   struct export *x, struct fault *f)
{
	struct export got = { 0 };
	uint8_t for_key[EXPORT_KEY];
	struct attr a;

	if (attr_only(v, "purpose", &a) != OK ||
	    purpose_parse(&a, &got.purpose) != OK)
		return bad(f, "purpose");
	TRY(get_bytes(v, "to", for_key, EXPORT_KEY, f));
	if (memcmp(for_key, to, EXPORT_KEY) != 0)
		return fault_set(f, ERR_CONFLICT,
				 "what is sealed in it was made for another "
				 "store, and passed on");
	TRY(get_sender(v, &got, f));
	TRY(get_text(v, "name", got.name, EXPORT_NAME_MAX, f));
	TRY(get_text(v, "module", got.module, ATTR_NAME_MAX, f));
	if (!attr_name_ok(got.module, strlen(got.module)))
		return bad(f, "module");
	TRY(get_numbers(v, &got, f));
	TRY(get_bytes(v, "id", got.id, EXPORT_ID, f));
	TRY(get_attributes(v, &got, f));
	TRY(check_count(v, &got, f));
	if (!got.anonymous)
		TRY(check_signature(v, &got, f));
	*x = got;
	return OK;
}

/* Opening */

static enum err check_head(const struct export_keys *k, struct rd *r,
			   struct fault *f)
{
	char said[2 * EXPORT_KEY_ID + 1], ours[2 * EXPORT_KEY_ID + 1];
	const uint8_t *magic, *id;
	uint8_t own[EXPORT_KEY_ID], suite;

	if (rd_bytes(r, sizeof MAGIC, &magic) != OK ||
	    memcmp(magic, MAGIC, sizeof MAGIC - 1) != 0)
		return fault_set(f, ERR_INVALID, "this is no sealed export");
	if (magic[3] != MAGIC[3])
		return fault_set(f, ERR_UNSUPPORTED,
				 "the sealed export is of a newer format");
	if (rd_u8(r, &suite) != OK || rd_bytes(r, EXPORT_KEY_ID, &id) != OK)
		return fault_set(f, ERR_INVALID,
				 "the sealed export is cut short");
	if (suite != EXPORT_SUITE)
		return fault_set(f, ERR_UNSUPPORTED,
				 "the sealed export uses suite %u, which this "
				 "version does not know",
				 suite);
	export_key_id(export_seal_key(k), own);
	if (!memcmp(id, own, EXPORT_KEY_ID))
		return OK;
	enc_hex(id, EXPORT_KEY_ID, said);
	enc_hex(own, EXPORT_KEY_ID, ours);
	return fault_set(f, ERR_CONFLICT,
			 "it is sealed to key %s, and this store's is %s: "
			 "'cretula peer self' prints what the sender needs",
			 said, ours);
}

enum err export_open(const struct export_keys *k, const void *p, size_t len,
		     struct attrs *list, struct export *x, struct fault *f)
{
	struct rd r = rd_from(p, len);
	enum err e;

	if (len > EXPORT_MAX)
		return fault_set(f, ERR_TOO_LARGE,
				 "a sealed export has at most %d bytes",
				 EXPORT_MAX);
	TRY(check_head(k, &r, f));
	if (rd_left(&r) < BOX_EXTRA)
		return fault_set(f, ERR_INVALID,
				 "the sealed export is cut short");
	if (box_open(k->box, r.p, rd_left(&r), list, NULL) != OK)
		return fault_set(f, ERR_INVALID,
				 "the sealed export does not open: it is "
				 "damaged");
	e = export_list_parse(attrs_view(list), export_seal_key(k), x, f);
	if (e != OK)
		attrs_clear(list);
	return e;
}

/* Armour */

enum err export_armour(const void *p, size_t len, struct buf *out)
{
	return pem_put(EXPORT_LABEL, (struct span){ .p = p, .n = len }, out);
}

enum err export_unarmour(const void *text, size_t len, struct buf *out,
			 struct fault *f)
{
	size_t used;
	enum err e;

	if (len >= sizeof MAGIC && !memcmp(text, MAGIC, sizeof MAGIC - 1)) {
		if (len > EXPORT_MAX || buf_put(out, text, len) != OK)
			return fault_set(f, ERR_TOO_LARGE,
					 "a sealed export has at most %d bytes",
					 EXPORT_MAX);
		return OK;
	}
	e = pem_get(EXPORT_LABEL, text, len, out, &used, f);
	if (e == ERR_NOT_FOUND)
		return fault_set(f, ERR_INVALID,
				 "there is no sealed export: neither '-----"
				 "BEGIN " EXPORT_LABEL "-----' nor its bytes");
	return e;
}
