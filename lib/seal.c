/* Used by the vault, the only process with these keys: they live in secret memory,
 * and plaintext is encrypted in place in the buffer it is written to. */
#include "lib/seal.h"

#include "lib/seal_aead.h"

#include <sodium.h>
#include <string.h>

struct seal_keys {
	uint8_t wrap[KEY_SIZE];
	uint8_t row[KEY_SIZE];
	uint8_t set[KEY_SIZE];
	uint8_t store[STORE_ID_SIZE];
	uint32_t epoch;
};

enum {
	PERSONAL = crypto_generichash_blake2b_PERSONALBYTES,
	PLACE_MAX = 1024, /* of the place= attribute, encoded */
};

_Static_assert(STORE_ID_SIZE == crypto_generichash_blake2b_SALTBYTES,
	       "the store id is the salt");

static void derive(uint8_t out[KEY_SIZE], const uint8_t *master,
		   const uint8_t *store, const char *use)
{
	uint8_t personal[PERSONAL] = { 0 };
	size_t n = strlen(use);

	ENSURE(n <= sizeof personal);
	memcpy(personal, use, n);
	ENSURE(crypto_generichash_blake2b_salt_personal(out, KEY_SIZE, NULL, 0,
							master, KEY_SIZE, store,
							personal) == 0);
}

struct seal_keys *seal_keys_new(const uint8_t master[KEY_SIZE],
				const uint8_t store[STORE_ID_SIZE],
				uint32_t epoch)
{
	struct seal_keys *k = secret_alloc(sizeof *k);

	derive(k->wrap, master, store, "cretula-wrap");
	derive(k->row, master, store, "cretula-row");
	derive(k->set, master, store, "cretula-set");
	memcpy(k->store, store, STORE_ID_SIZE);
	k->epoch = epoch;
	return k;
}

void seal_keys_drop(struct seal_keys **k)
{
	secret_free(*k);
	*k = NULL;
}

const uint8_t *seal_set_key(const struct seal_keys *k)
{
	return k->set;
}

static struct span span(const struct attrs *a)
{
	return (struct span){ .p = a->bytes.p, .n = a->bytes.len };
}

static enum err row_aad(const struct seal_keys *k, const struct row_head *h,
			struct attrs *aad)
{
	TRY(attrs_add_u64(aad, "format", SEAL_FORMAT));
	TRY(attrs_add_u64(aad, "suite", SEAL_SUITE));
	TRY(attrs_add_u64(aad, "epoch", k->epoch));
	TRY(attrs_add(aad, "store", 0, k->store, STORE_ID_SIZE));
	return row_head_format(h, aad);
}

/* What a row's confidential parts are bound to: its place but not the generation;
 * a wrapped key also to the epoch. */
static enum err part_aad(const struct seal_keys *k, const struct row_head *h,
			 const char *use, bool epoch, struct attrs *aad)
{
	TRY(attrs_add_u64(aad, "format", SEAL_FORMAT));
	TRY(attrs_add_u64(aad, "suite", SEAL_SUITE));
	if (epoch)
		TRY(attrs_add_u64(aad, "epoch", k->epoch));
	TRY(attrs_add(aad, "store", 0, k->store, STORE_ID_SIZE));
	TRY(attrs_add_str(aad, "use", use));
	TRY(attrs_add_str(aad, "table", row_table_name(h->table)));
	TRY(attrs_add_u64(aad, "row", h->row));
	TRY(attrs_add_str(aad, "name", h->name));
	TRY(attrs_add_str(aad, "module", h->module));
	return attrs_add_u64(aad, "version", h->version);
}

static enum err place_attr(const struct row_head *h, struct attrs *out)
{
	AUTO(attrs_wipe) struct attrs place = { 0 };

	attrs_init(&place);
	TRY(row_head_format(h, &place));
	return attrs_add(out, "place", 0, place.bytes.p, place.bytes.len);
}

enum err seal_row(const struct seal_keys *k, const struct row_head *h,
		  struct attr_view plain, struct buf *out)
{
	AUTO(attrs_wipe) struct attrs aad = { 0 };
	AUTO(attrs_wipe) struct attrs place = { 0 };
	size_t head_len = SEAL_HEAD - SEAL_NONCE;

	attrs_init(&aad);
	attrs_init(&place);
	TRY(row_aad(k, h, &aad));
	TRY(place_attr(h, &place));
	ENSURE(place.bytes.len <= PLACE_MAX);
	if (plain.len > ROW_BLOB_MAX - PLACE_MAX - SEAL_HEAD - SEAL_TAG)
		return ERR_TOO_LARGE;
	TRY(buf_reserve(out, head_len + SEAL_NONCE + place.bytes.len +
				     plain.len + SEAL_TAG));
	TRY(buf_u8(out, SEAL_FORMAT));
	TRY(buf_u8(out, SEAL_SUITE));
	TRY(buf_u32(out, k->epoch));
	return aead_seal(k->row, span(&aad), span(&place),
			 (struct span){ .p = plain.p, .n = plain.len }, out);
}

/* The place a blob was sealed for, if it is whole: read from the stream without
 * the tag, then believed only when the tag agrees with that place. */
static bool sealed_place(const struct seal_keys *k, const uint8_t *box,
			 size_t len, struct row_head *was)
{
	AUTO(attrs_wipe) struct attrs aad = { 0 };
	AUTO(buf_wipe) struct buf raw = { 0 };
	struct attr_view v;
	struct attr a;

	attrs_init(&aad);
	buf_init_secret(&raw, ROW_BLOB_MAX);
	if (aead_peek(k->row, box, len, &raw) != OK ||
	    attr_parse(raw.p, raw.len, &v, NULL) != OK || !attr_next(&v, &a) ||
	    !attr_named(&a, "place") ||
	    attr_parse(a.value, a.len, &v, NULL) != OK ||
	    row_head_parse(v, was, NULL) != OK || row_aad(k, was, &aad) != OK)
		return false;
	return aead_check(k->row, span(&aad), box, len) == OK;
}

static enum err row_refused(const struct seal_keys *k, const struct row_head *h,
			    const uint8_t *box, size_t len, struct fault *f)
{
	char label[ROW_LABEL], from[ROW_LABEL];
	struct row_head was;

	row_label(h, label);
	if (!sealed_place(k, box, len, &was))
		return fault_set(f, ERR_INVALID,
				 "row %s does not open: it was edited", label);
	row_label(&was, from);
	return fault_set(f, ERR_INVALID,
			 "row %s does not open: it was sealed as %s (%s%s"
			 "version %llu, generation %llu) and %s",
			 label, from, was.module, was.module[0] ? ", " : "",
			 (unsigned long long)was.version,
			 (unsigned long long)was.generation,
			 was.table == h->table && was.row == h->row
				 ? "its columns were edited"
				 : "moved from there");
}

/* Reads what is before the nonce. */
static enum err row_header(const struct seal_keys *k, const struct row_head *h,
			   struct rd *r, struct fault *f)
{
	char label[ROW_LABEL];
	uint8_t format, suite;
	uint32_t epoch;

	row_label(h, label);
	if (rd_u8(r, &format) != OK || rd_u8(r, &suite) != OK ||
	    rd_u32(r, &epoch) != OK || rd_left(r) < SEAL_NONCE + SEAL_TAG)
		return fault_set(f, ERR_INVALID,
				 "row %s does not open: it is cut short",
				 label);
	if (format != SEAL_FORMAT || suite != SEAL_SUITE)
		return fault_set(f, ERR_UNSUPPORTED,
				 "row %s is of format %u, suite %u: a store "
				 "from a newer version, which has to be used",
				 label, format, suite);
	if (epoch != k->epoch)
		return fault_set(f, ERR_CONFLICT,
				 "row %s is sealed under key epoch %u, but the "
				 "master key is of epoch %u",
				 label, epoch, k->epoch);
	return OK;
}

/* Drops the leading place= of an opened row; what is left is the caller's list. */
static enum err drop_place(struct attrs *out)
{
	struct attr_view v, it;
	struct attr a;

	TRY(attr_parse(out->bytes.p, out->bytes.len, &v, NULL));
	if (!attr_next(&v, &a) || !attr_named(&a, "place"))
		return ERR_INVALID;
	for (it = v; attr_next(&it, &a);)
		out->count++;
	buf_drop(&out->bytes, out->bytes.len - v.len);
	return OK;
}

enum err seal_open_row(const struct seal_keys *k, const struct row_head *h,
		       const void *blob, size_t len, struct attrs *out,
		       struct fault *f)
{
	AUTO(attrs_wipe) struct attrs aad = { 0 };
	struct rd r = rd_from(blob, len);
	char label[ROW_LABEL];

	ENSURE(!out->bytes.len);
	attrs_init(&aad);
	TRY(row_aad(k, h, &aad));
	TRY(row_header(k, h, &r, f));
	if (aead_open(k->row, span(&aad), r.p, rd_left(&r), &out->bytes) != OK)
		return row_refused(k, h, r.p, rd_left(&r), f);
	if (drop_place(out) == OK)
		return OK;
	attrs_clear(out);
	row_label(h, label);
	return fault_set(f, ERR_INVALID,
			 "row %s opens but holds no attribute list", label);
}

enum err seal_wrap(const struct seal_keys *k, const struct row_head *h,
		   const struct secret *dek, struct buf *out)
{
	AUTO(attrs_wipe) struct attrs aad = { 0 };

	attrs_init(&aad);
	TRY(part_aad(k, h, "dek", true, &aad));
	return key_wrap(k->wrap, span(&aad), dek, out);
}

enum err seal_unwrap(const struct seal_keys *k, const struct row_head *h,
		     const void *wrapped, size_t len, struct secret **dek,
		     struct fault *f)
{
	AUTO(attrs_wipe) struct attrs aad = { 0 };
	char label[ROW_LABEL];
	enum err e;

	attrs_init(&aad);
	TRY(part_aad(k, h, "dek", true, &aad));
	e = key_unwrap(k->wrap, span(&aad), wrapped, len, dek);
	row_label(h, label);
	if (e == ERR_CONFLICT)
		return fault_set(f, e,
				 "the data key of row %s is wrapped under "
				 "another key or for another row",
				 label);
	if (e != OK)
		return fault_set(f, e, "the data key of row %s is damaged",
				 label);
	return OK;
}

enum err seal_confidential(const struct seal_keys *k, const struct row_head *h,
			   struct attr_view plain, struct buf *wrapped,
			   struct buf *sealed)
{
	AUTO(secret_drop) struct secret *dek = secret_random();
	AUTO(attrs_wipe) struct attrs aad = { 0 };

	attrs_init(&aad);
	TRY(part_aad(k, h, "confidential", false, &aad));
	TRY(seal_wrap(k, h, dek, wrapped));
	return aead_seal(secret_bytes(dek), span(&aad),
			 (struct span){ .p = plain.p, .n = plain.len },
			 (struct span){ 0 }, sealed);
}

static enum err count_list(struct attrs *out)
{
	struct attr_view v;
	struct attr a;

	TRY(attr_parse(out->bytes.p, out->bytes.len, &v, NULL));
	while (attr_next(&v, &a))
		out->count++;
	return OK;
}

enum err seal_open_confidential(const struct seal_keys *k,
				const struct row_head *h, const void *wrapped,
				size_t wrapped_len, const void *sealed,
				size_t sealed_len, struct attrs *out,
				struct fault *f)
{
	AUTO(secret_drop) struct secret *dek = NULL;
	AUTO(attrs_wipe) struct attrs aad = { 0 };
	char label[ROW_LABEL];

	ENSURE(out->bytes.secret && !out->bytes.len);
	attrs_init(&aad);
	TRY(part_aad(k, h, "confidential", false, &aad));
	TRY(seal_unwrap(k, h, wrapped, wrapped_len, &dek, f));
	if (aead_open(secret_bytes(dek), span(&aad), sealed, sealed_len,
		      &out->bytes) == OK &&
	    count_list(out) == OK)
		return OK;
	attrs_clear(out);
	row_label(h, label);
	return fault_set(f, ERR_INVALID,
			 "the confidential values of row %s do not open: "
			 "edited, or moved from another row",
			 label);
}
