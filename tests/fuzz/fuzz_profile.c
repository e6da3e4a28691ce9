/* A profile on the first line, then names that somebody asks for, one a line: what is
 * read is written back the same, and what is filled passes the check. */
#include "lib/profile.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	NOW = 1767322800
};

static struct span line(struct span *left)
{
	const uint8_t *end = left->n ? memchr(left->p, '\n', left->n) : NULL;
	size_t n = end ? (size_t)(end - left->p) : left->n;
	struct span got = span_of(left->p, n);

	n += end != NULL;
	*left = span_of(left->p + n, left->n - n);
	return got;
}

static struct ca_scope *scope(void)
{
	static char domain[] = "example", url[] = "http://ca.example";
	static struct ca_scope s = { .instance = 1,
				     .domain = { domain },
				     .n_domains = 1,
				     .trust_domain = domain,
				     .shards = 16,
				     .url = url,
				     .not_after = NOW + 86400 };

	s.name.cn = span_str("Cretula Issuing CA");
	return &s;
}

/* RFC 8410's example. */
static struct pubkey key(void)
{
	static const uint8_t spki[] = {
		0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70,
		0x03, 0x21, 0x00, 0x19, 0xbf, 0x44, 0x09, 0x69, 0x84,
		0xcd, 0xfe, 0x85, 0x41, 0xba, 0xc1, 0x67, 0xdc, 0x3b,
		0x96, 0xc8, 0x50, 0x86, 0xaa, 0x30, 0xb6, 0xb6, 0xcb,
		0x0c, 0x5c, 0x38, 0xad, 0x70, 0x31, 0x66, 0xe1,
	};
	struct pubkey k;

	ENSURE(pubkey_parse(span_of(spki, sizeof spki), &k, NULL) == OK);
	return k;
}

/* What was made is a certificate, and the signer takes it. */
static void signer(const struct profile *p, const struct cert *c)
{
	AUTO(buf_wipe) struct buf der = { .max = CERT_TBS_MAX };
	struct fault f = { .code = OK };
	struct cert back;

	ENSURE(cert_build(c, &der) == OK);
	ENSURE(cert_parse_tbs(span_of(der.p, der.len), &back, &f) == OK);
	ENSURE(profile_check(p, scope(), &back, NOW, &f) == OK);
}

static void fill(const struct profile *p, struct span names)
{
	static const uint8_t tail[SERIAL_TAIL];
	AUTO(profile_room_wipe) struct profile_room room = { .text.max = 0 };
	const struct pubkey k = key();
	struct fault f = { .code = OK };
	struct serial serial;
	struct cert c;
	struct wish w = { .node = span_str("n1.example"),
			  .agent = span_str(
				  "019b8f3a-0000-7abc-8def-0123456789ab"),
			  .key = &k,
			  .now = NOW,
			  .serial = &serial };

	serial_make(1, 1234, tail, &serial);
	while (names.n) {
		struct span one = line(&names);
		struct cert_names *to =
			one.n && memchr(one.p, '/', one.n) ? &w.uri : &w.dns;

		if (to->count < CERT_NAMES_MAX)
			to->at[to->count++] = one;
	}
	if (profile_fill(p, scope(), &w, &room, &c, &f) == OK)
		signer(p, &c);
	else
		ENSURE(f.text[0]);
}

static void again(const struct profile *p)
{
	AUTO(profile_wipe) struct profile q = { .n_dns = 0 };
	AUTO(attrs_wipe) struct attrs a = { 0 };
	AUTO(attrs_wipe) struct attrs b = { 0 };

	attrs_init(&a);
	attrs_init(&b);
	ENSURE(profile_format(p, &a) == OK);
	ENSURE(profile_parse(attrs_view(&a), &q, NULL) == OK);
	ENSURE(profile_format(&q, &b) == OK);
	ENSURE(a.bytes.len == b.bytes.len &&
	       !memcmp(a.bytes.p, b.bytes.p, a.bytes.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(profiles_free) struct profiles *set = profiles_new(false);
	struct span left = span_of(data, size), first = line(&left);
	const struct profile *p;
	struct fault f = { .code = OK };
	size_t at = 0;

	if (profiles_add(set, "fuzz", (const char *)first.p, first.n, &f) !=
	    OK) {
		ENSURE(f.text[0]);
		return 0;
	}
	while ((p = profiles_next(set, &at))) {
		again(p);
		fill(p, left);
	}
	return 0;
}
