/* net: what a bootstrap source says, from bytes to struct boot. Pure functions; the token
 * passes through here. Strict: what is not understood is refused, so that a slip of the
 * pen is a sentence and not a node that nobody can reach. */
#include "certmgr/net_boot.h"

#include "lib/dns_name.h"
#include "lib/enc.h"

#include <string.h>

#define HASH_PREFIX "sha256:"
#define DNS_PREFIX  "dns:"
#define TXT_PREFIX  "cretula-ca="
#define WORD_PREFIX "cretula."

void boot_wipe(struct boot *b)
{
	if (b->token.seed)
		token_wipe(&b->token);
	*b = (struct boot){ 0 };
}

static const char *const source_names[] = {
	[BOOT_FILE] = "file",
	[BOOT_CMDLINE] = "cmdline",
	[BOOT_NOCLOUD] = "nocloud",
	[BOOT_IMDS] = "imds",
};

const char *boot_source_name(enum boot_source s)
{
	return source_names[s];
}

enum err boot_source_parse(struct span name, enum boot_source *s)
{
	for (unsigned i = 0; i < BOOT__SOURCES; i++)
		if (span_is(name, source_names[i])) {
			*s = (enum boot_source)i;
			return OK;
		}
	return ERR_NOT_FOUND;
}

bool boot_source_open(enum boot_source s)
{
	return s != BOOT_FILE;
}

/* ---- values */

static enum err bad(const char *name, const char *form, struct fault *f)
{
	return fault_set(f, ERR_INVALID, "'%s' is not %s", name, form);
}

static bool begins(struct span s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s.n >= n && !memcmp(s.p, prefix, n);
}

static struct span after(struct span s, size_t n)
{
	return span_of(s.p + n, s.n - n);
}

static enum err copy(struct span v, char *out, size_t room)
{
	if (!v.n || v.n >= room || memchr(v.p, 0, v.n))
		return ERR_INVALID;
	memcpy(out, v.p, v.n);
	out[v.n] = 0;
	return OK;
}

static bool visible(struct span v)
{
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] <= ' ' || v.p[i] > '~')
			return false;
	return v.n > 0;
}

enum err boot_parse_hash(struct span text, uint8_t hash[BOOT_HASH],
			 struct fault *f)
{
	const size_t n = strlen(HASH_PREFIX);

	if (begins(text, HASH_PREFIX) &&
	    enc_hex_parse((const char *)text.p + n, text.n - n, hash,
			  BOOT_HASH) == OK)
		return OK;
	return bad("ca_hash",
		   "sha256: and the 64 hex digits that 'cretula ca root "
		   "--field hash' prints",
		   f);
}

/* Of a name that is asked for: also _SERVICE labels. */
static const char dns_letters[] = "abcdefghijklmnopqrstuvwxyz"
				  "0123456789.-_";

static enum err take_ca(struct span v, struct boot *b, struct fault *f)
{
	struct web_place place;

	if (copy(v, b->ca, sizeof b->ca) != OK)
		return bad("ca", "https://HOST:PORT or dns:NAME", f);
	if (begins(v, DNS_PREFIX))
		return v.n > strlen(DNS_PREFIX) &&
				       strspn(b->ca + strlen(DNS_PREFIX),
					      dns_letters) ==
					       v.n - strlen(DNS_PREFIX)
			       ? OK
			       : bad("ca", "dns: and a name", f);
	return web_place_parse("https", b->ca, &place, f);
}

static enum err take_endpoint(struct span v, struct boot *b, struct fault *f)
{
	if (!visible(v) || !memchr(v.p, ':', v.n) ||
	    copy(v, b->endpoint, sizeof b->endpoint) != OK)
		return bad("verify_endpoint", "HOST:PORT", f);
	return OK;
}

static enum err take(struct span name, struct span v, struct boot *b,
		     struct fault *f)
{
	char shown[DNS_SHOWN];

	if (span_is(name, "token") && !b->token.seed)
		return token_parse((const char *)v.p, v.n, &b->token, f);
	if (span_is(name, "ca") && !b->ca[0])
		return take_ca(v, b, f);
	if (span_is(name, "ca_hash") && !b->has_hash) {
		b->has_hash = true;
		return boot_parse_hash(v, b->hash, f);
	}
	if (span_is(name, "node") && !b->node[0]) {
		TRY(dns_name_check("node", v, false, f));
		return copy(v, b->node, sizeof b->node) == OK
			       ? OK
			       : bad("node", "a name of at most 64 bytes", f);
	}
	if (span_is(name, "verify_endpoint") && !b->endpoint[0])
		return take_endpoint(v, b, f);
	return fault_set(f, ERR_INVALID,
			 "'%s' is said twice, or is none of token, ca, "
			 "ca_hash, node and verify_endpoint",
			 dns_shown(name, shown));
}

static bool empty(const struct boot *b)
{
	return !b->token.seed && !b->ca[0] && !b->has_hash && !b->node[0] &&
	       !b->endpoint[0];
}

/* All or nothing: what was taken before a mistake is worth nothing. */
static enum err finish(enum err e, struct boot *got, struct boot *b,
		       struct fault *f)
{
	if (e == OK && empty(got))
		e = fault_set(f, ERR_NOT_FOUND, "there is nothing in it");
	if (e != OK) {
		boot_wipe(got);
		return e;
	}
	*b = *got;
	return OK;
}

/* ---- lines and words */

/* The next line without its newline; false at the end. */
static bool line_next(struct rd *r, struct span *line)
{
	size_t left = rd_left(r);
	const uint8_t *end = left ? memchr(r->p, '\n', left) : NULL;
	size_t n = end ? (size_t)(end - r->p) : left;
	const uint8_t *p;

	if (!left || rd_bytes(r, n, &p) != OK)
		return false;
	*line = span_of(p, n);
	if (end && rd_bytes(r, 1, &p) != OK)
		return false;
	if (line->n && line->p[line->n - 1] == '\r')
		line->n--;
	return true;
}

static size_t blanks(struct span s)
{
	size_t n = 0;

	while (n < s.n && s.p[n] == ' ')
		n++;
	return n;
}

static struct span trimmed(struct span s)
{
	s = after(s, blanks(s));
	while (s.n && s.p[s.n - 1] == ' ')
		s.n--;
	return s;
}

static bool no_content(struct span line)
{
	struct span s = trimmed(line);

	return !s.n || s.p[0] == '#';
}

/* ---- a file */

static enum err take_line(struct span line, struct boot *b, struct fault *f)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	struct attr_view it;
	struct attr one;

	attrs_init_secret(&a);
	TRY(attrs_parse_text(&a, (const char *)line.p, line.n, f));
	it = attrs_view(&a);
	while (attr_next(&it, &one))
		TRY(take(span_of(one.name, one.name_len),
			 span_of(one.value, one.len), b, f));
	return OK;
}

enum err boot_parse_file(struct span text, struct boot *b, struct fault *f)
{
	AUTO(boot_wipe) struct boot got = { 0 };
	struct rd r = span_rd(text);
	struct span line;
	enum err e = OK;

	while (e == OK && line_next(&r, &line)) {
		if (line.n > BOOT_LINE_MAX)
			e = bad("a line", "that long", f);
		else if (!no_content(line))
			e = take_line(line, &got, f);
	}
	e = finish(e, &got, b, f);
	if (e == OK)
		got = (struct boot){ 0 };
	return e;
}

/* ---- the kernel's command line */

/* The next word, as the kernel sees words: a blank between two double quotes ends
 * none. */
static bool word_next(struct rd *r, struct span *word)
{
	const struct span rest = span_of(r->p, rd_left(r));
	size_t from = 0, to;
	bool quoted = false;
	const uint8_t *p;

	if (!rest.n)
		return false;
	while (from < rest.n && (rest.p[from] == ' ' || rest.p[from] == '\n'))
		from++;
	for (to = from; to < rest.n; to++) {
		if (rest.p[to] == '"')
			quoted = !quoted;
		else if (!quoted && (rest.p[to] == ' ' || rest.p[to] == '\n'))
			break;
	}
	*word = span_of(rest.p + from, to - from);
	return rd_bytes(r, to, &p) == OK && word->n > 0;
}

static enum err take_word(struct span word, struct boot *b, struct fault *f)
{
	const struct span s = after(word, strlen(WORD_PREFIX));
	const uint8_t *eq = s.n ? memchr(s.p, '=', s.n) : NULL;
	size_t n = eq ? (size_t)(eq - s.p) : 0;

	if (!eq || !visible(s) || memchr(s.p, '"', s.n))
		return bad("a word that begins with " WORD_PREFIX,
			   WORD_PREFIX "NAME=VALUE without quotes", f);
	return take(span_of(s.p, n), after(s, n + 1), b, f);
}

enum err boot_parse_cmdline(struct span text, struct boot *b, struct fault *f)
{
	AUTO(boot_wipe) struct boot got = { 0 };
	struct rd r = span_rd(text);
	struct span word;
	enum err e = OK;

	while (e == OK && word_next(&r, &word))
		if (begins(word, WORD_PREFIX))
			e = take_word(word, &got, f);
	e = finish(e, &got, b, f);
	if (e == OK)
		got = (struct boot){ 0 };
	return e;
}

/* ---- user data */

/* Without its quotes, if it has any; else only what YAML takes as it stands. */
static enum err scalar(struct span v, struct span *out, struct fault *f)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789._:/-";
	uint8_t quote = v.n ? v.p[0] : 0;

	if (quote == '"' || quote == '\'') {
		if (v.n < 3 || v.p[v.n - 1] != quote)
			return bad("a value", "in two quotes of one kind", f);
		v = span_of(v.p + 1, v.n - 2);
		if (memchr(v.p, quote, v.n) || memchr(v.p, '\\', v.n))
			return bad("a value", "without quotes inside", f);
	} else {
		for (size_t i = 0; i < v.n; i++)
			if (!v.p[i] || !strchr(plain, v.p[i]))
				return bad("a value",
					   "of letters, digits and ._:/-; put "
					   "others into quotes",
					   f);
	}
	*out = v;
	return visible(v) ? OK : bad("a value", "visible characters", f);
}

static enum err take_entry(struct span line, struct boot *b, struct fault *f)
{
	const struct span s = trimmed(line);
	const uint8_t *colon = memchr(s.p, ':', s.n);
	size_t n = colon ? (size_t)(colon - s.p) : 0;
	struct span v;

	if (!n || n + 2 >= s.n || s.p[n + 1] != ' ')
		return bad("a line of the block cretula:", "NAME: VALUE", f);
	TRY(scalar(trimmed(after(s, n + 1)), &v, f));
	return take(span_of(s.p, n), v, b, f);
}

/* A block as it is being read. */
struct block {
	bool seen, inside;
	size_t indent; /* of its lines; 0: there was none yet */
};

static enum err take_block_line(struct span line, struct block *k,
				struct boot *b, struct fault *f)
{
	const struct span all = trimmed(line);
	size_t indent = blanks(line);

	if (no_content(line))
		return OK;
	if (!indent) {
		k->inside = begins(all, "cretula:");
		if (!k->inside)
			return OK;
		if (k->seen || !no_content(after(all, strlen("cretula:"))))
			return bad("the block cretula:",
				   "there once, with nothing behind its colon",
				   f);
		k->seen = true;
		return OK;
	}
	if (!k->inside)
		return OK;
	if (k->indent && k->indent != indent)
		return bad("the block cretula:", "of lines that begin alike",
			   f);
	k->indent = indent;
	return take_entry(line, b, f);
}

enum err boot_parse_user_data(struct span text, struct boot *b, struct fault *f)
{
	AUTO(boot_wipe) struct boot got = { 0 };
	struct block block = { 0 };
	struct rd r = span_rd(text);
	struct span line;
	enum err e = OK;

	if (!line_next(&r, &line) || !span_is(trimmed(line), "#cloud-config"))
		return fault_set(f, ERR_NOT_FOUND,
				 "it does not begin with the line "
				 "'#cloud-config'");
	while (e == OK && line_next(&r, &line))
		e = take_block_line(line, &block, &got, f);
	e = finish(e, &got, b, f);
	if (e == OK)
		got = (struct boot){ 0 };
	return e;
}

/* ---- DNS */

enum err boot_parse_txt(struct span text, char url[BOOT_URL], struct fault *f)
{
	struct web_place place;

	if (!begins(text, TXT_PREFIX))
		return fault_set(f, ERR_NOT_FOUND, "it is none of ours");
	if (copy(after(text, strlen(TXT_PREFIX)), url, BOOT_URL) != OK)
		return bad("the TXT record's " TXT_PREFIX, "https://HOST:PORT",
			   f);
	return web_place_parse("https", url, &place, f);
}
