/* A profile as a line of text. Used by ca's issuer and signer, each with files' texts
 * that its supervisor gave it, and by `cretula ca profile`; holds nothing secret. */
#include "lib/profile.h"

#include "lib/csv.h"
#include "lib/dns_name.h"
#include "lib/num.h"
#include "lib/profile_in.h"

#include <stdlib.h>
#include <string.h>

void profile_wipe(struct profile *p)
{
	for (unsigned i = 0; i < p->n_dns; i++)
		free(p->dns[i]);
	for (unsigned i = 0; i < p->n_caps; i++)
		free(p->cap[i]);
	memset(p, 0, sizeof *p);
}

static char *text_of(struct span v)
{
	char *s = xcalloc(v.n + 1, 1);

	memcpy(s, v.p, v.n);
	return s;
}

/* Words that stand for bits, or for the values of an enum. */

static const char *const usages[] = { "server", "client" };

_Static_assert(EKU_SERVER == 1 && EKU_CLIENT == 2, "bits of usages[]");

static const char *const kinds[] = {
	[PROFILE_AGENT] = "agent",
	[PROFILE_SPIFFE] = "spiffe",
	[PROFILE_TLS] = "tls",
	[PROFILE_OCSP] = "ocsp",
};

static const char *usage_word(unsigned i)
{
	return i < NELEM(usages) ? usages[i] : NULL;
}

static const char *key_word(unsigned i)
{
	return i < KEY__MAX ? key_type_name((enum key_type)i) : NULL;
}

typedef const char *word_fn(unsigned i);

static enum err word_take(const char *name, word_fn *word, struct span v,
			  unsigned *bits, struct fault *f)
{
	char room[DNS_SHOWN];

	for (unsigned i = 0; word(i); i++) {
		if (!span_is(v, word(i)))
			continue;
		if (*bits & 1u << i)
			return fault_set(f, ERR_INVALID,
					 "%s=: '%s' is said twice", name,
					 word(i));
		*bits |= 1u << i;
		return OK;
	}
	return fault_set(f, ERR_INVALID, "%s=: '%s' is none of those there are",
			 name, dns_shown(v, room));
}

static enum err bool_take(const char *name, struct span v, bool *out,
			  struct fault *f)
{
	if (!span_is(v, "yes") && !span_is(v, "no"))
		return fault_set(f, ERR_INVALID, "%s= is yes or no", name);
	*out = span_is(v, "yes");
	return OK;
}

static enum err life_take(const char *name, struct span v, uint64_t *out,
			  struct fault *f)
{
	uint64_t t;

	if (num_duration((const char *)v.p, v.n, false, PROFILE_LIFE_MAX, &t) !=
		    OK ||
	    t < PROFILE_LIFE_MIN)
		return fault_set(f, ERR_INVALID,
				 "%s= is a duration such as 90m or 24h, from "
				 "%ds to %dd",
				 name, PROFILE_LIFE_MIN,
				 PROFILE_LIFE_MAX / 86400);
	*out = t;
	return OK;
}

/* One function for each attribute. */

static enum err take_name(struct profile *p, struct span v, struct fault *f)
{
	TRY(type_check(v, f));
	memcpy(p->name, v.p, v.n);
	return OK;
}

static enum err take_kind(struct profile *p, struct span v, struct fault *f)
{
	if (!span_is(v, kinds[PROFILE_AGENT]) &&
	    !span_is(v, kinds[PROFILE_SPIFFE]))
		return fault_set(f, ERR_INVALID, "kind= is agent or spiffe");
	p->kind = span_is(v, kinds[PROFILE_AGENT]) ? PROFILE_AGENT
						   : PROFILE_SPIFFE;
	return OK;
}

static enum err take_life(struct profile *p, struct span v, struct fault *f)
{
	return life_take("life", v, &p->life, f);
}

static enum err take_max_life(struct profile *p, struct span v, struct fault *f)
{
	return life_take("max_life", v, &p->max_life, f);
}

static enum err take_usage(struct profile *p, struct span v, struct fault *f)
{
	return word_take("usage", usage_word, v, &p->usage, f);
}

static enum err take_keys(struct profile *p, struct span v, struct fault *f)
{
	return word_take("keys", key_word, v, &p->keys, f);
}

static enum err take_wildcard(struct profile *p, struct span v, struct fault *f)
{
	return bool_take("wildcard", v, &p->wildcard, f);
}

static enum err take_may_delegate(struct profile *p, struct span v,
				  struct fault *f)
{
	return bool_take("may_delegate", v, &p->may_delegate, f);
}

/* Appends a copy to a list that has no such text yet. */
static enum err list_take(const char *name, char **list, unsigned *n,
			  unsigned most, struct span v, struct fault *f)
{
	for (unsigned i = 0; i < *n; i++)
		if (span_is(v, list[i]))
			return fault_set(f, ERR_INVALID,
					 "%s=: '%s' is said twice", name,
					 list[i]);
	if (*n == most)
		return fault_set(f, ERR_INVALID,
				 "%s=: a profile has at most %u of them", name,
				 most);
	list[(*n)++] = text_of(v);
	return OK;
}

static enum err take_dns(struct profile *p, struct span v, struct fault *f)
{
	TRY(profile_pattern_check(v, f));
	return list_take("dns", p->dns, &p->n_dns, PROFILE_DNS_MAX, v, f);
}

static enum err take_capability(struct profile *p, struct span v,
				struct fault *f)
{
	struct capability c;

	TRY(capability_parse(v, true, &c, f));
	return list_take("capability", p->cap, &p->n_caps, CERT_CAPS_MAX, v, f);
}

static const struct {
	const char *name;
	enum err (*take)(struct profile *p, struct span v, struct fault *f);
	bool set; /* repeats, and is joined by commas */
} table[] = {
	{ "profile", take_name, false },
	{ "kind", take_kind, false },
	{ "life", take_life, false },
	{ "max_life", take_max_life, false },
	{ "usage", take_usage, true },
	{ "keys", take_keys, true },
	{ "dns", take_dns, true },
	{ "wildcard", take_wildcard, false },
	{ "capability", take_capability, true },
	{ "may_delegate", take_may_delegate, false },
};

static enum err take(struct profile *p, size_t i, const struct attr *a,
		     struct fault *f)
{
	struct span v = span_of(a->value, a->len);
	struct csv set = csv_of(v);

	if (!table[i].set)
		return table[i].take(p, v, f);
	while (csv_next(&set, &v))
		TRY(table[i].take(p, v, f));
	return OK;
}

static enum err attr_take(struct profile *p, unsigned *seen,
			  const struct attr *a, struct fault *f)
{
	size_t i = 0;

	while (i < NELEM(table) && !attr_named(a, table[i].name))
		i++;
	if (i == NELEM(table))
		return fault_set(f, ERR_INVALID,
				 "a profile has no attribute '%.*s'",
				 a->name_len, a->name);
	if (a->flags & ATTR_CONFIDENTIAL)
		return fault_set(f, ERR_INVALID,
				 "'!%s': a profile holds nothing confidential",
				 table[i].name);
	if (!table[i].set && *seen & 1u << i)
		return fault_set(f, ERR_INVALID, "%s= is said twice",
				 table[i].name);
	*seen |= 1u << i;
	return take(p, i, a, f);
}

/* Presets, and what attributes mean together. */
static enum err finish(struct profile *p, struct fault *f)
{
	if (!p->name[0])
		return fault_set(f, ERR_INVALID, "a profile needs profile=");
	if (!p->life)
		p->life = p->max_life ? MIN(p->max_life, PROFILE_LIFE)
				      : PROFILE_LIFE;
	if (!p->max_life)
		p->max_life = p->life;
	if (p->life > p->max_life)
		return fault_set(f, ERR_INVALID,
				 "life= of profile '%s' is longer than its "
				 "max_life=",
				 p->name);
	if (p->kind == PROFILE_SPIFFE && (p->n_dns || p->wildcard))
		return fault_set(f, ERR_INVALID,
				 "profile '%s': kind=spiffe has no DNS names, "
				 "so neither dns= nor wildcard=yes",
				 p->name);
	if (!p->usage)
		p->usage = EKU_SERVER | EKU_CLIENT;
	if (!p->keys)
		p->keys = (1u << KEY__MAX) - 1;
	return OK;
}

enum err profile_parse(struct attr_view line, struct profile *p,
		       struct fault *f)
{
	AUTO(profile_wipe) struct profile made = { .n_dns = 0 };
	unsigned seen = 0;
	struct attr a;

	while (attr_next(&line, &a))
		TRY(attr_take(&made, &seen, &a, f));
	TRY(finish(&made, f));
	*p = made;
	made = (struct profile){ .n_dns = 0 };
	return OK;
}

/* And back. */

static enum err life_put(struct attrs *out, const char *name, uint64_t t)
{
	static const struct {
		char letter;
		unsigned seconds;
	} unit[] = { { 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };
	size_t i = 0;

	/* 24h and 72h are easier to read than days */
	while (t % unit[i].seconds || (!i && t <= 3 * 86400))
		i++;
	return attrs_add_fmt(out, name, "%llu%c",
			     (unsigned long long)(t / unit[i].seconds),
			     unit[i].letter);
}

static enum err words_put(struct attrs *out, const char *name, word_fn *word,
			  unsigned bits)
{
	AUTO(buf_wipe) struct buf b = { 0 };

	buf_init(&b, ATTR_NAME_MAX);
	for (unsigned i = 0; word(i); i++)
		if (bits & 1u << i)
			TRY(buf_fmt(&b, "%s%s", b.len ? "," : "", word(i)));
	return attrs_add(out, name, 0, b.p, b.len);
}

enum err profile_format(const struct profile *p, struct attrs *out)
{
	TRY(attrs_add_str(out, "profile", p->name));
	TRY(attrs_add_str(out, "kind", kinds[p->kind]));
	TRY(life_put(out, "life", p->life));
	TRY(life_put(out, "max_life", p->max_life));
	if (p->usage)
		TRY(words_put(out, "usage", usage_word, p->usage));
	TRY(words_put(out, "keys", key_word, p->keys));
	for (unsigned i = 0; i < p->n_dns; i++)
		TRY(attrs_add_str(out, "dns", p->dns[i]));
	if (p->wildcard)
		TRY(attrs_add_str(out, "wildcard", "yes"));
	for (unsigned i = 0; i < p->n_caps; i++)
		TRY(attrs_add_str(out, "capability", p->cap[i]));
	if (p->may_delegate)
		TRY(attrs_add_str(out, "may_delegate", "yes"));
	return OK;
}
