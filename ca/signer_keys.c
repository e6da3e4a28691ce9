/* Part of the signer, the only process that holds a CA key: how the keys lie on the
 * disk. */
#include "ca/signer_keys.h"

#include "lib/own_file.h"
#include "lib/seal.h"
#include "lib/slot.h"

#include <sodium.h>
#include <string.h>

enum {
	VERSION = 1,
	EPOCH = 1,
	COMMIT = 32,
	HEAD = 1 + STORE_ID_SIZE + 8,
	KEY_DER_MAX = 8 << 10, /* of a private key */
	ROW_ISSUING = 1,
	ROW_ROOT = 2,
};

void keys_init(struct signer_keys *k)
{
	*k = (struct signer_keys){ 0 };
	attrs_init(&k->scope);
	buf_init(&k->root, KEYS_CERT_MAX);
	buf_init(&k->root_says, KEYS_CERT_MAX);
	buf_init(&k->issuing_cert, KEYS_CERT_MAX);
}

void keys_wipe(struct signer_keys *k)
{
	signkey_free(&k->issuing);
	secret_drop(&k->log_seed);
	secret_drop(&k->mark_key);
	attrs_wipe(&k->scope);
	buf_wipe(&k->root);
	buf_wipe(&k->root_says);
	buf_wipe(&k->issuing_cert);
	keys_init(k);
}

enum err keys_new(struct signer_keys *k, enum key_type t, unsigned bits,
		  struct fault *f)
{
	keys_init(k);
	TRY(signkey_new(t, bits, &k->issuing, f));
	random_fill(k->store, sizeof k->store);
	k->log_seed = secret_random();
	k->mark_key = secret_random();
	note_public(k->log_seed, k->log_key);
	return OK;
}

static struct row_head row_of(uint64_t row, const char *name,
			      uint64_t generation)
{
	struct row_head h = { .table = ROW_KEY,
			      .row = row,
			      .version = 1,
			      .generation = generation };

	ENSURE(row_head_name(&h, name, NULL) == OK);
	return h;
}

static enum err master_of(const struct buf *keyfile,
			  const uint8_t store[STORE_ID_SIZE],
			  struct secret **out, struct fault *f)
{
	static const uint8_t personal[16] = "cretula-signer";
	struct secret *m;

	if (keyfile->len < KEYS_KEYFILE_MIN || keyfile->len > KEYS_KEYFILE_MAX)
		return fault_set(f, ERR_INVALID,
				 "the CA's key file has %zu bytes: %d to %d "
				 "random ones are needed",
				 keyfile->len, KEYS_KEYFILE_MIN,
				 KEYS_KEYFILE_MAX);
	m = secret_new();
	ENSURE(!crypto_generichash_blake2b_salt_personal(
		secret_edit(m), KEY_SIZE, keyfile->p, keyfile->len, NULL, 0,
		store, personal));
	*out = m;
	return OK;
}

/* Tells a wrong key file from a damaged row. */
static void commitment(const struct secret *master, const uint8_t head[HEAD],
		       uint8_t out[COMMIT])
{
	ENSURE(!crypto_generichash(out, COMMIT, head, HEAD,
				   secret_bytes(master), KEY_SIZE));
}

static enum err add_key(struct attrs *a, const struct signkey *key)
{
	AUTO(buf_wipe) struct buf der = { 0 };

	buf_init_secret(&der, KEY_DER_MAX);
	TRY(signkey_format(key, &der));
	return attrs_add(a, "key", ATTR_CONFIDENTIAL, der.p, der.len);
}

static enum err plain_format(const struct signer_keys *k, struct attrs *a)
{
	TRY(add_key(a, k->issuing));
	TRY(attrs_add(a, "log", ATTR_CONFIDENTIAL, secret_bytes(k->log_seed),
		      KEY_SIZE));
	TRY(attrs_add(a, "mark", ATTR_CONFIDENTIAL, secret_bytes(k->mark_key),
		      KEY_SIZE));
	TRY(attrs_add(a, "scope", 0, k->scope.bytes.p, k->scope.bytes.len));
	TRY(attrs_add(a, "root", 0, k->root.p, k->root.len));
	TRY(attrs_add(a, "root_says", 0, k->root_says.p, k->root_says.len));
	TRY(attrs_add(a, "issuing", 0, k->issuing_cert.p, k->issuing_cert.len));
	return attrs_add_u64(a, "root_next", k->root_next);
}

enum err keys_format(const struct signer_keys *k, const struct buf *keyfile,
		     struct buf *out, struct fault *f)
{
	AUTO(secret_drop) struct secret *master = NULL;
	struct row_head h = row_of(ROW_ISSUING, "issuing", k->generation);
	AUTO(seal_keys_drop) struct seal_keys *sk = NULL;
	AUTO(attrs_wipe) struct attrs plain = { 0 };
	uint8_t sum[COMMIT];

	attrs_init_secret(&plain);
	TRY(master_of(keyfile, k->store, &master, f));
	TRY(plain_format(k, &plain));
	sk = seal_keys_new(secret_bytes(master), k->store, EPOCH);
	buf_clear(out);
	TRY(buf_u8(out, VERSION));
	TRY(buf_put(out, k->store, STORE_ID_SIZE));
	TRY(buf_u64(out, k->generation));
	commitment(master, out->p, sum);
	TRY(buf_put(out, sum, COMMIT));
	return seal_row(sk, &h, attrs_view(&plain), out);
}

static enum err damaged(struct fault *f)
{
	return fault_set(f, ERR_INVALID,
			 "'" KEYS_FILE "' is damaged or was edited: restore it "
			 "from a backup");
}

static enum err take_secret(struct attr_view v, const char *name,
			    struct secret **out)
{
	struct attr a;

	TRY(attr_only(v, name, &a));
	if (a.len != KEY_SIZE)
		return ERR_INVALID;
	*out = secret_from(a.value);
	return OK;
}

static enum err take_bytes(struct attr_view v, const char *name,
			   struct buf *out)
{
	struct attr a;

	TRY(attr_only(v, name, &a));
	return buf_put(out, a.value, a.len);
}

static enum err take_scope(struct attr_view v, struct attrs *out)
{
	struct attr_view list;
	struct attr a;

	TRY(attr_only(v, "scope", &a));
	TRY(attr_parse(a.value, a.len, &list, NULL));
	return attrs_add_view(out, list);
}

static enum err take_key(struct attr_view v, struct signkey **out,
			 struct fault *f)
{
	struct attr a;

	TRY(attr_only(v, "key", &a));
	return signkey_parse((struct span){ a.value, a.len }, out, f);
}

static enum err plain_take(struct signer_keys *k, struct attr_view v,
			   struct fault *f)
{
	struct attr a;

	TRY(take_key(v, &k->issuing, f));
	TRY(take_secret(v, "log", &k->log_seed));
	TRY(take_secret(v, "mark", &k->mark_key));
	TRY(take_scope(v, &k->scope));
	TRY(take_bytes(v, "root", &k->root));
	TRY(take_bytes(v, "root_says", &k->root_says));
	TRY(take_bytes(v, "issuing", &k->issuing_cert));
	TRY(attr_only(v, "root_next", &a));
	TRY(attr_u64(&a, UINT64_MAX, &k->root_next));
	note_public(k->log_seed, k->log_key);
	return OK;
}

struct head {
	const uint8_t *bytes, *sum;
	uint8_t store[STORE_ID_SIZE];
	uint64_t generation;
};

static enum err head_read(struct rd *r, struct head *h, struct fault *f)
{
	uint8_t version = 0;

	h->bytes = r->p;
	if (rd_u8(r, &version) == OK && version != VERSION)
		return fault_set(f, ERR_UNSUPPORTED,
				 "'" KEYS_FILE "' is of version %u: made by a "
				 "newer ca, which has to be used",
				 version);
	if (rd_copy(r, STORE_ID_SIZE, h->store) != OK ||
	    rd_u64(r, &h->generation) != OK ||
	    rd_bytes(r, COMMIT, &h->sum) != OK)
		return damaged(f);
	return OK;
}

static enum err open_row(struct signer_keys *k, const struct secret *master,
			 struct rd *r, struct fault *f)
{
	struct row_head h = row_of(ROW_ISSUING, "issuing", k->generation);
	AUTO(seal_keys_drop) struct seal_keys *sk = NULL;
	AUTO(attrs_wipe) struct attrs plain = { 0 };

	attrs_init_secret(&plain);
	sk = seal_keys_new(secret_bytes(master), k->store, EPOCH);
	if (seal_open_row(sk, &h, r->p, rd_left(r), &plain, NULL) != OK)
		return damaged(f);
	if (plain_take(k, attrs_view(&plain), f) != OK)
		return damaged(f);
	return OK;
}

enum err keys_parse(struct signer_keys *k, const void *p, size_t len,
		    const struct buf *keyfile, struct fault *f)
{
	AUTO(secret_drop) struct secret *master = NULL;
	struct rd r = rd_from(p, len);
	uint8_t sum[COMMIT];
	struct head h;
	enum err e;

	TRY(head_read(&r, &h, f));
	TRY(master_of(keyfile, h.store, &master, f));
	commitment(master, h.bytes, sum);
	if (!secret_equal(sum, h.sum, COMMIT))
		return fault_set(f, ERR_DENIED,
				 "the CA's key file is not the one that sealed "
				 "'" KEYS_FILE "' (or its head is damaged)");
	keys_init(k);
	memcpy(k->store, h.store, STORE_ID_SIZE);
	k->generation = h.generation;
	e = open_row(k, master, &r, f);
	if (e != OK)
		keys_wipe(k);
	return e;
}

enum err keys_load(struct signer_keys *k, int dir, const struct buf *keyfile,
		   struct fault *f)
{
	AUTO(buf_wipe) struct buf b = { 0 };

	buf_init(&b, KEYS_FILE_MAX);
	TRY(own_file_read(dir, KEYS_FILE, &b, f));
	return keys_parse(k, b.p, b.len, keyfile, f);
}

enum err keys_save(struct signer_keys *k, int dir, const struct buf *keyfile,
		   struct fault *f)
{
	AUTO(buf_wipe) struct buf b = { 0 };
	enum err e;

	buf_init(&b, KEYS_FILE_MAX);
	k->generation++;
	e = keys_format(k, keyfile, &b, f);
	if (e == OK)
		e = own_file_replace(dir, KEYS_FILE, &b, f);
	if (e != OK)
		k->generation--;
	return e;
}

static enum err root_format(const struct signer_keys *k,
			    const struct signkey *root,
			    struct attr_view passphrase, struct buf *out,
			    struct fault *f)
{
	struct slot_header s = { .type = SLOT_PASSPHRASE,
				 .epoch = EPOCH,
				 .ops = SLOT_OPS,
				 .mem = SLOT_MEM };
	AUTO(secret_drop) struct secret *inner = secret_random();
	AUTO(seal_keys_drop) struct seal_keys *sk = NULL;
	struct row_head h = row_of(ROW_ROOT, "root", 1);
	AUTO(buf_wipe) struct buf head = { 0 }, blob = { 0 };
	AUTO(attrs_wipe) struct attrs plain = { 0 };

	buf_init(&head, SLOT_HEADER);
	buf_init(&blob, SLOT_BLOB);
	attrs_init_secret(&plain);
	memcpy(s.store, k->store, STORE_ID_SIZE);
	TRY(slot_make(&s, passphrase.p, passphrase.len, inner, &head, &blob,
		      f));
	TRY(add_key(&plain, root));
	sk = seal_keys_new(secret_bytes(inner), k->store, EPOCH);
	TRY(buf_u8(out, VERSION));
	TRY(buf_put(out, head.p, head.len));
	TRY(buf_put(out, blob.p, blob.len));
	return seal_row(sk, &h, attrs_view(&plain), out);
}

enum err root_save(const struct signer_keys *k, int dir,
		   const struct signkey *root, struct attr_view passphrase,
		   struct fault *f)
{
	AUTO(buf_wipe) struct buf b = { 0 };

	buf_init(&b, KEYS_FILE_MAX);
	if (own_file_there(dir, ROOT_FILE))
		return fault_set(f, ERR_EXISTS,
				 "'" ROOT_FILE "' of another CA is there: move "
				 "it away first");
	TRY(root_format(k, root, passphrase, &b, f));
	return own_file_replace(dir, ROOT_FILE, &b, f);
}

static enum err root_damaged(struct fault *f)
{
	return fault_set(f, ERR_INVALID,
			 "'" ROOT_FILE "' is damaged: bring a good copy");
}

static enum err root_open_slot(const struct signer_keys *k, struct rd *r,
			       struct attr_view passphrase,
			       struct secret **inner, struct fault *f)
{
	const uint8_t *head, *blob;
	struct slot_header s;
	uint8_t version = 0;
	enum err e;

	if (rd_u8(r, &version) != OK || version != VERSION ||
	    rd_bytes(r, SLOT_HEADER, &head) != OK ||
	    rd_bytes(r, SLOT_BLOB, &blob) != OK ||
	    slot_header_parse(head, SLOT_HEADER, &s, NULL) != OK)
		return root_damaged(f);
	if (memcmp(s.store, k->store, STORE_ID_SIZE) != 0)
		return fault_set(f, ERR_CONFLICT,
				 "'" ROOT_FILE "' is of another CA");
	e = slot_open(head, SLOT_HEADER, blob, SLOT_BLOB, passphrase.p,
		      passphrase.len, &s, inner, f);
	if (e == ERR_DENIED)
		return fault_set(f, e, "wrong passphrase of the root key");
	return e == ERR_INVALID ? root_damaged(f) : e;
}

static enum err root_parse(const struct signer_keys *k, struct rd *r,
			   struct attr_view passphrase, struct signkey **out,
			   struct fault *f)
{
	AUTO(secret_drop) struct secret *inner = NULL;
	AUTO(seal_keys_drop) struct seal_keys *sk = NULL;
	struct row_head h = row_of(ROW_ROOT, "root", 1);
	AUTO(attrs_wipe) struct attrs plain = { 0 };

	attrs_init_secret(&plain);
	TRY(root_open_slot(k, r, passphrase, &inner, f));
	sk = seal_keys_new(secret_bytes(inner), k->store, EPOCH);
	if (seal_open_row(sk, &h, r->p, rd_left(r), &plain, NULL) != OK ||
	    take_key(attrs_view(&plain), out, f) != OK)
		return root_damaged(f);
	return OK;
}

enum err root_load(const struct signer_keys *k, int dir,
		   struct attr_view passphrase, struct signkey **out,
		   struct fault *f)
{
	AUTO(buf_wipe) struct buf b = { 0 };
	struct rd r;
	enum err e;

	buf_init(&b, KEYS_FILE_MAX);
	e = own_file_read(dir, ROOT_FILE, &b, f);
	if (e == ERR_NOT_FOUND)
		return fault_set(f, e,
				 "the root key is not here: put '" ROOT_FILE
				 "' back into the signer's folder");
	TRY(e);
	r = rd_from(b.p, b.len);
	return root_parse(k, &r, passphrase, out, f);
}
