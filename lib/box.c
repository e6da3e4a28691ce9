/* Used by the vault, which holds a key pair, and by clients, which hold one for the
 * time of a revealing call. */
#include "lib/box.h"

#include <sodium.h>
#include <string.h>

struct box_keys {
	uint8_t pub[BOX_KEY];
	uint8_t secret[BOX_KEY];
};

enum {
	BASE64_TEXT = 45
}; /* 32 bytes as base64, with the NUL */

_Static_assert(BOX_KEY == crypto_box_PUBLICKEYBYTES &&
		       BOX_KEY == crypto_box_SECRETKEYBYTES &&
		       BOX_EXTRA == crypto_box_SEALBYTES,
	       "sizes of crypto_box_seal");
_Static_assert(BASE64_TEXT == sodium_base64_ENCODED_LEN(
				      BOX_KEY, sodium_base64_VARIANT_ORIGINAL),
	       "size of a key in base64");

struct box_keys *box_keys_random(void)
{
	struct box_keys *k = secret_alloc(sizeof *k);

	random_fill(k->secret, BOX_KEY);
	ENSURE(crypto_scalarmult_base(k->pub, k->secret) == 0);
	return k;
}

struct box_keys *box_keys_from(const uint8_t secret[BOX_KEY])
{
	struct box_keys *k = secret_alloc(sizeof *k);

	memcpy(k->secret, secret, BOX_KEY);
	ENSURE(crypto_scalarmult_base(k->pub, k->secret) == 0);
	return k;
}

void box_keys_drop(struct box_keys **k)
{
	secret_free(*k);
	*k = NULL;
}

const uint8_t *box_public(const struct box_keys *k)
{
	return k->pub;
}

enum err box_seal(const uint8_t pub[BOX_KEY], struct attr_view list,
		  struct buf *out)
{
	uint8_t *at;

	ENSURE(sodium_init() >= 0);
	TRY(buf_grow(out, list.len + BOX_EXTRA, &at));
	if (crypto_box_seal(at, list.p, list.len, pub) == 0)
		return OK;
	out->len -= list.len + BOX_EXTRA;
	return ERR_INVALID;
}

static enum err list_of(struct attrs *out, struct fault *f)
{
	struct attr_view v;
	struct attr a;

	TRY(attr_parse(out->bytes.p, out->bytes.len, &v, f));
	while (attr_next(&v, &a))
		out->count++;
	return OK;
}

enum err box_open(const struct box_keys *k, const void *box, size_t len,
		  struct attrs *out, struct fault *f)
{
	uint8_t *at;
	enum err e;

	ENSURE(out->bytes.secret && !out->bytes.len);
	if (len < BOX_EXTRA)
		return fault_set(f, ERR_INVALID, "a box is cut short");
	if (buf_grow(&out->bytes, len - BOX_EXTRA, &at) != OK)
		return fault_set(f, ERR_TOO_LARGE, "a box is too large");
	if (crypto_box_seal_open(at, box, len, k->pub, k->secret) != 0) {
		attrs_clear(out);
		return fault_set(f, ERR_CONFLICT,
				 "a box does not open with the transport key: "
				 "read transport.pub again");
	}
	e = list_of(out, f);
	if (e != OK)
		attrs_clear(out);
	return e;
}

enum err box_pub_format(const uint8_t pub[BOX_KEY], struct buf *out)
{
	char text[BASE64_TEXT];

	sodium_bin2base64(text, sizeof text, pub, BOX_KEY,
			  sodium_base64_VARIANT_ORIGINAL);
	return buf_fmt(out, "version=%d key=%s\n", BOX_VERSION, text);
}

static enum err bad_file(struct fault *f)
{
	return fault_set(f, ERR_INVALID,
			 "transport.pub is not version=1 key=BASE64");
}

/* One line: what follows the newline, if anything, makes it another file. */
static enum err one_line(const char *text, size_t len, struct attrs *a,
			 struct fault *f)
{
	if (len && text[len - 1] == '\n')
		len--;
	if (!len || len > BOX_FILE_MAX || memchr(text, '\n', len) ||
	    attrs_parse_text(a, text, len, NULL) != OK)
		return bad_file(f);
	return OK;
}

enum err box_pub_parse(const void *text, size_t len, uint8_t pub[BOX_KEY],
		       struct fault *f)
{
	AUTO(attrs_wipe) struct attrs list = { 0 };
	struct attr version, key;
	uint8_t got[BOX_KEY];
	uint64_t v;
	size_t n;

	attrs_init(&list);
	TRY(one_line(text, len, &list, f));
	if (attr_only(attrs_view(&list), "version", &version) != OK ||
	    attr_u64(&version, UINT32_MAX, &v) != OK)
		return bad_file(f);
	if (v != BOX_VERSION)
		return fault_set(f, ERR_UNSUPPORTED,
				 "transport.pub is of a newer version");
	if (list.count != 2 ||
	    attr_only(attrs_view(&list), "key", &key) != OK ||
	    sodium_base642bin(got, sizeof got, (const char *)key.value, key.len,
			      NULL, &n, NULL,
			      sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    n != sizeof got)
		return bad_file(f);
	memcpy(pub, got, sizeof got);
	return OK;
}
