/* HOST.pub: the public halves of a store's keys, as its people give it to others. */
#include "lib/export.h"

#include "lib/box.h"
#include "lib/enc.h"

#include <sodium.h>
#include <string.h>

enum {
	PUB_VERSION = 1
};

static enum err add_base64(struct buf *out, const char *name, const uint8_t *p)
{
	TRY(buf_fmt(out, " %s=", name));
	return enc_base64(p, EXPORT_KEY, out);
}

enum err export_pub_format(const struct export_pub *p, struct buf *out)
{
	char store[2 * EXPORT_STORE + 1];

	enc_hex(p->store, EXPORT_STORE, store);
	TRY(buf_fmt(out, "version=%d name=%s store=%s", PUB_VERSION, p->node,
		    store));
	TRY(add_base64(out, "seal", p->seal));
	TRY(add_base64(out, "sign", p->sign));
	if (p->url[0])
		TRY(buf_fmt(out, " url=%s", p->url));
	return buf_u8(out, '\n');
}

static enum err bad(struct fault *f, const char *what)
{
	return fault_set(f, ERR_INVALID,
			 "the file is no HOST.pub as 'cretula peer self' "
			 "prints it: %s",
			 what);
}

static bool get_text(struct attr_view v, const char *name, char *out,
		     size_t max)
{
	struct attr a;

	if (attr_only(v, name, &a) != OK || !a.len || a.len > max ||
	    memchr(a.value, 0, a.len))
		return false;
	memcpy(out, a.value, a.len);
	out[a.len] = '\0';
	return true;
}

static bool get_key(struct attr_view v, const char *name,
		    uint8_t out[EXPORT_KEY])
{
	AUTO(buf_wipe) struct buf key = { 0 };
	struct attr a;

	buf_init(&key, EXPORT_KEY);
	if (attr_only(v, name, &a) != OK ||
	    enc_base64_parse((const char *)a.value, a.len, &key) != OK ||
	    key.len != EXPORT_KEY)
		return false;
	memcpy(out, key.p, EXPORT_KEY);
	return true;
}

static enum err get_version(struct attr_view v, struct fault *f)
{
	struct attr a;
	uint64_t n;

	if (attr_only(v, "version", &a) != OK ||
	    attr_u64(&a, UINT32_MAX, &n) != OK)
		return bad(f, "it has no version=");
	if (n != PUB_VERSION)
		return fault_set(f, ERR_UNSUPPORTED,
				 "HOST.pub is of a newer version");
	return OK;
}

static enum err parse(struct attr_view v, unsigned count, struct export_pub *p,
		      struct fault *f)
{
	bool has_url = attr_count(v, "url");
	struct attr a;

	TRY(get_version(v, f));
	if (!get_text(v, "name", p->node, EXPORT_NODE_MAX))
		return bad(f, "it has no name=");
	if (attr_only(v, "store", &a) != OK ||
	    enc_hex_parse((const char *)a.value, a.len, p->store,
			  EXPORT_STORE) != OK)
		return bad(f, "store= is not 32 hex digits");
	if (!get_key(v, "seal", p->seal) || !get_key(v, "sign", p->sign))
		return bad(f, "seal= and sign= are not keys in base64");
	if (has_url && !get_text(v, "url", p->url, EXPORT_URL_MAX))
		return bad(f, "url= is not readable");
	if (count != 5u + has_url)
		return bad(f, "it says more than is known");
	return export_pub_check(p, f);
}

enum err export_pub_parse(const void *text, size_t len, struct export_pub *p,
			  struct fault *f)
{
	AUTO(attrs_wipe) struct attrs list = { 0 };
	const char *t = text;
	struct export_pub got = { 0 };

	if (len && t[len - 1] == '\n')
		len--;
	if (!len || len > EXPORT_PUB_MAX || memchr(t, '\n', len))
		return bad(f, "it is not one line");
	attrs_init(&list);
	if (attrs_parse_text(&list, t, len, NULL) != OK)
		return bad(f, "it is not name=value …");
	TRY(parse(attrs_view(&list), list.count, &got, f));
	*p = got;
	return OK;
}

static bool all_of(const char *text, const char *also)
{
	for (; *text; text++) {
		char c = *text;
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9');

		if (!plain && !strchr(also, c))
			return false;
	}
	return true;
}

static bool url_ok(const char *url)
{
	static const char *const schemes[] = { "https://", "unix:///" };

	for (size_t i = 0; i < NELEM(schemes); i++) {
		size_t n = strlen(schemes[i]);

		if (!strncmp(url, schemes[i], n) && url[n])
			return all_of(url + n, "._-/:[]@%+~");
	}
	return false;
}

static bool sealable(const uint8_t key[EXPORT_KEY])
{
	AUTO(buf_wipe) struct buf box = { 0 };

	buf_init(&box, BOX_EXTRA);
	return box_seal(key, (struct attr_view){ 0 }, &box) == OK;
}

enum err export_pub_check(const struct export_pub *p, struct fault *f)
{
	if (!p->node[0] || !all_of(p->node, "._-"))
		return fault_set(f, ERR_INVALID,
				 "name= is no name of a node: letters, digits, "
				 "'.', '_' and '-'");
	if (p->url[0] && !url_ok(p->url))
		return fault_set(
			f, ERR_INVALID,
			"url= is https://HOST:PORT, or unix:///PATH of "
			"a socket on this machine");
	if (!sealable(p->seal))
		return fault_set(f, ERR_INVALID,
				 "seal= is no X25519 public key");
	if (!crypto_core_ed25519_is_valid_point(p->sign))
		return fault_set(f, ERR_INVALID,
				 "sign= is no Ed25519 public key");
	return OK;
}
