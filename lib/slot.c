/* Used by the opener, which holds a passphrase and a master key for one call, and
 * (headers only) by the vault. */
#include "lib/slot.h"

#include "lib/seal_aead.h"

#include <sodium.h>
#include <string.h>

enum {
	CHECK = 8,
	WRAPPED = SLOT_BLOB - CHECK,
};

static const char *const type_name[] = {
	[SLOT_PASSPHRASE] = "passphrase",
	[SLOT_KEYFILE] = "keyfile",
};

const char *slot_type_name(enum slot_type t)
{
	ENSURE((unsigned)t < NELEM(type_name) && type_name[t]);
	return type_name[t];
}

enum err slot_type_parse(const void *name, size_t len, enum slot_type *t)
{
	for (unsigned i = SLOT_PASSPHRASE; i < NELEM(type_name); i++) {
		if (strlen(type_name[i]) == len &&
		    !memcmp(type_name[i], name, len)) {
			*t = (enum slot_type)i;
			return OK;
		}
	}
	return ERR_INVALID;
}

static enum err header_get(struct rd *r, uint8_t *version, uint8_t *type,
			   struct slot_header *h)
{
	TRY(rd_u8(r, version));
	TRY(rd_u8(r, type));
	TRY(rd_copy(r, STORE_ID_SIZE, h->store));
	TRY(rd_u32(r, &h->slot));
	TRY(rd_u32(r, &h->epoch));
	TRY(rd_copy(r, SLOT_SALT, h->salt));
	TRY(rd_u32(r, &h->ops));
	TRY(rd_u64(r, &h->mem));
	return rd_end(r);
}

static enum err header_put(const struct slot_header *h, struct buf *out)
{
	TRY(buf_u8(out, SLOT_VERSION));
	TRY(buf_u8(out, (uint8_t)h->type));
	TRY(buf_put(out, h->store, STORE_ID_SIZE));
	TRY(buf_u32(out, h->slot));
	TRY(buf_u32(out, h->epoch));
	TRY(buf_put(out, h->salt, SLOT_SALT));
	TRY(buf_u32(out, h->ops));
	return buf_u64(out, h->mem);
}

/* The cost of Argon2id, before anybody pays it. */
static enum err check_cost(const struct slot_header *h, struct fault *f)
{
	if (h->ops < SLOT_OPS_MIN || h->ops > SLOT_OPS_MAX)
		return fault_set(f, ERR_INVALID,
				 "slot %u: %u passes of Argon2id, allowed are "
				 "%d to %d",
				 h->slot, h->ops, SLOT_OPS_MIN, SLOT_OPS_MAX);
	if (h->mem < SLOT_MEM_MIN || h->mem > SLOT_MEM_MAX)
		return fault_set(f, ERR_INVALID,
				 "slot %u: %llu bytes of memory for Argon2id, "
				 "allowed are 64 MiB to 1 GiB",
				 h->slot, (unsigned long long)h->mem);
	return OK;
}

enum err slot_header_parse(const void *p, size_t len, struct slot_header *h,
			   struct fault *f)
{
	struct rd r = rd_from(p, len);
	struct slot_header got = { 0 };
	uint8_t version = 0, type = 0;
	enum err e = header_get(&r, &version, &type, &got);

	if (len && version != SLOT_VERSION)
		return fault_set(f, ERR_UNSUPPORTED,
				 "a key slot is of version %u: a store from a "
				 "newer version, which has to be used",
				 version);
	if (e != OK)
		return fault_set(f, ERR_INVALID,
				 "the header of a key slot is %zu bytes "
				 "instead of %d",
				 len, SLOT_HEADER);
	if (type != SLOT_PASSPHRASE && type != SLOT_KEYFILE)
		return fault_set(f, ERR_INVALID,
				 "slot %u is of an unknown type", got.slot);
	got.type = (enum slot_type)type;
	TRY(check_cost(&got, f));
	*h = got;
	return OK;
}

enum err slot_split(const void *row, size_t len, const uint8_t **header,
		    const uint8_t **blob, struct fault *f)
{
	struct rd r = rd_from(row, len);
	const uint8_t *head, *rest;

	if (rd_bytes(&r, SLOT_HEADER, &head) != OK ||
	    rd_bytes(&r, SLOT_BLOB, &rest) != OK || rd_end(&r) != OK)
		return fault_set(f, ERR_INVALID,
				 "a key slot is %zu bytes instead of %d", len,
				 SLOT_HEADER + SLOT_BLOB);
	*header = head;
	*blob = rest;
	return OK;
}

static void checksum(uint8_t out[CHECK], const uint8_t *header,
		     const uint8_t *wrapped)
{
	crypto_generichash_blake2b_state h;
	uint8_t full[32];

	crypto_generichash_blake2b_init(&h, NULL, 0, sizeof full);
	crypto_generichash_blake2b_update(&h, header, SLOT_HEADER);
	crypto_generichash_blake2b_update(&h, wrapped, WRAPPED);
	crypto_generichash_blake2b_final(&h, full, sizeof full);
	memcpy(out, full, CHECK);
}

static enum err stretch(const struct slot_header *h, const void *secret,
			size_t len, struct secret **kek, struct fault *f)
{
	AUTO(secret_drop) struct secret *key = secret_new();

	if (crypto_pwhash(secret_edit(key), KEY_SIZE, secret, len, h->salt,
			  h->ops, (size_t)h->mem,
			  crypto_pwhash_ALG_ARGON2ID13) != 0)
		return fault_set(f, ERR_UNAVAILABLE,
				 "slot %u needs %llu MiB of memory, which are "
				 "not there",
				 h->slot, (unsigned long long)h->mem >> 20);
	*kek = key;
	key = NULL;
	return OK;
}

static enum err check_secret(const struct slot_header *h, size_t len,
			     struct fault *f)
{
	if (!len)
		return fault_set(f, ERR_INVALID, "an empty %s opens no slot",
				 slot_type_name(h->type));
	if (len > SLOT_SECRET_MAX)
		return fault_set(f, ERR_TOO_LARGE, "a %s is over %d bytes",
				 slot_type_name(h->type), SLOT_SECRET_MAX);
	return OK;
}

enum err slot_make(struct slot_header *h, const void *secret, size_t len,
		   const struct secret *master, struct buf *header,
		   struct buf *blob, struct fault *f)
{
	AUTO(secret_drop) struct secret *kek = NULL;
	uint8_t *head, *body, *check;
	AUTO(buf_wipe) struct buf hd = { 0 }, bl = { 0 };

	buf_init(&hd, SLOT_HEADER);
	buf_init(&bl, SLOT_BLOB);
	TRY(check_cost(h, f));
	TRY(check_secret(h, len, f));
	if (h->type == SLOT_KEYFILE && len < SLOT_KEYFILE_MIN)
		return fault_set(f, ERR_INVALID,
				 "a key file needs at least %d random bytes, "
				 "this one has %zu",
				 SLOT_KEYFILE_MIN, len);
	random_fill(h->salt, SLOT_SALT);
	TRY(header_put(h, &hd));
	TRY(stretch(h, secret, len, &kek, f));
	TRY(key_wrap(secret_bytes(kek), (struct span){ hd.p, hd.len }, master,
		     &bl));
	TRY(buf_grow(&bl, CHECK, &check));
	checksum(check, hd.p, bl.p);
	TRY(buf_grow(header, hd.len, &head));
	TRY(buf_grow(blob, bl.len, &body));
	memcpy(head, hd.p, hd.len);
	memcpy(body, bl.p, bl.len);
	return OK;
}

static enum err damaged(const struct slot_header *h, struct fault *f)
{
	return fault_set(f, ERR_INVALID,
			 "slot %u is damaged: use another slot or a backup",
			 h->slot);
}

enum err slot_open(const void *header, size_t header_len, const void *blob,
		   size_t blob_len, const void *secret, size_t len,
		   struct slot_header *h, struct secret **master,
		   struct fault *f)
{
	AUTO(secret_drop) struct secret *kek = NULL;
	const uint8_t *body = blob;
	struct slot_header got;
	uint8_t check[CHECK];
	enum err e;

	TRY(slot_header_parse(header, header_len, &got, f));
	if (blob_len != SLOT_BLOB)
		return damaged(&got, f);
	checksum(check, header, body);
	if (memcmp(check, body + WRAPPED, CHECK) != 0)
		return damaged(&got, f);
	TRY(check_secret(&got, len, f));
	TRY(stretch(&got, secret, len, &kek, f));
	e = key_unwrap(secret_bytes(kek), (struct span){ header, header_len },
		       body, WRAPPED, master);
	if (e == ERR_CONFLICT)
		return fault_set(f, ERR_DENIED, "wrong %s for slot %u",
				 got.type == SLOT_KEYFILE ? "key file"
							  : "passphrase",
				 got.slot);
	if (e != OK)
		return damaged(&got, f);
	*h = got;
	return OK;
}
