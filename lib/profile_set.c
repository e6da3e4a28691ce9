/* All profiles of a process: ca's issuer and signer have one set each, made of the
 * same files by themselves. Holds nothing secret. */
#include "lib/profile.h"

#include "lib/map.h"

#include <stdlib.h>
#include <string.h>

struct entry {
	struct profile p;
	bool built_in; /* a file's takes its place */
};

struct profiles {
	struct map *by_name;
	struct entry *at[PROFILES_MAX];
	size_t count;
	struct entry tls, ocsp;
	bool default_profile;
};

static const char NODE[] =
	"profile=node life=72h usage=server,client dns={node} "
	"capability=issue:*@{node} may_delegate=yes";

static void key_of(const void *value, const void **key, size_t *len)
{
	const struct entry *e = value;

	*key = e->p.name;
	*len = strlen(e->p.name);
}

static enum err line_parse(const char *text, size_t len, struct profile *p,
			   struct fault *f)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };

	attrs_init(&a);
	TRY(attrs_parse_text(&a, text, len, f));
	return profile_parse(attrs_view(&a), p, f);
}

static void insert(struct profiles *s, const struct profile *p, bool built_in)
{
	struct entry *e = xcalloc(1, sizeof *e);

	ENSURE(s->count < PROFILES_MAX);
	e->p = *p;
	e->built_in = built_in;
	map_add(s->by_name, e);
	s->at[s->count++] = e;
}

static struct entry own(const char *name, enum profile_kind kind,
			unsigned usage)
{
	struct entry e = { .built_in = true };

	memcpy(e.p.name, name, strlen(name));
	e.p.kind = kind;
	e.p.life = e.p.max_life = PROFILE_LIFE_OWN;
	e.p.usage = usage;
	e.p.keys = (1u << KEY__MAX) - 1;
	return e;
}

struct profiles *profiles_new(bool default_profile)
{
	struct profiles *s = xcalloc(1, sizeof *s);
	struct profile node;

	s->by_name = map_new(key_of);
	s->default_profile = default_profile;
	s->tls = own("ca-tls", PROFILE_TLS, EKU_SERVER);
	s->ocsp = own("ca-ocsp", PROFILE_OCSP, 0);
	ENSURE(line_parse(NODE, sizeof NODE - 1, &node, NULL) == OK);
	insert(s, &node, true);
	map_add(s->by_name, &s->tls);
	map_add(s->by_name, &s->ocsp);
	return s;
}

void profiles_free(struct profiles **p)
{
	struct profiles *s = *p;

	*p = NULL;
	if (!s)
		return;
	for (size_t i = 0; i < s->count; i++) {
		profile_wipe(&s->at[i]->p);
		free(s->at[i]);
	}
	map_free(s->by_name);
	free(s);
}

/* Takes what p owns, if there is room for it. */
static enum err put(struct profiles *s, struct profile *p, struct fault *f)
{
	struct entry *e = map_find(s->by_name, p->name, strlen(p->name));

	if (e && !e->built_in)
		return fault_set(f, ERR_EXISTS,
				 "there is a profile '%s' already", p->name);
	if (!e && s->count == PROFILES_MAX)
		return fault_set(f, ERR_INVALID,
				 "there are more than %d profiles",
				 PROFILES_MAX);
	if (e) {
		/* the name, by which the map finds it, stays the same */
		profile_wipe(&e->p);
		e->p = *p;
		e->built_in = false;
	} else {
		insert(s, p, false);
	}
	*p = (struct profile){ .n_dns = 0 };
	return OK;
}

static bool blank(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r')
			return text[i] == '#';
	return true;
}

static enum err line_add(struct profiles *s, const char *text, size_t len,
			 struct fault *f)
{
	AUTO(profile_wipe) struct profile p = { .n_dns = 0 };

	if (blank(text, len))
		return OK;
	TRY(line_parse(text, len, &p, f));
	return put(s, &p, f);
}

static enum err lines_add(struct profiles *s, const char *file,
			  const char *text, size_t len, struct fault *f)
{
	struct rd r = rd_from(text, len);
	struct fault why = { .code = OK };

	for (unsigned line = 1; rd_left(&r); line++) {
		const uint8_t *start = r.p,
			      *end = memchr(start, '\n', rd_left(&r));
		size_t n = end ? (size_t)(end - start) : rd_left(&r);
		enum err e = line_add(s, (const char *)start, n, &why);

		if (e != OK)
			return fault_set(f, e, "%s:%u: %s", file, line,
					 why.text);
		TRY(rd_bytes(&r, n + (end != NULL), &start));
	}
	return OK;
}

/* None of one file's profiles is in the other files, and there is room for them. */
static enum err check_apart(const struct profiles *s,
			    const struct profiles *new, const char *file,
			    struct fault *f)
{
	size_t n = 0;

	for (size_t i = 0; i < new->count; i++) {
		const struct entry *e = new->at[i], *was;

		if (e->built_in)
			continue;
		was = map_find(s->by_name, e->p.name, strlen(e->p.name));
		if (was && !was->built_in)
			return fault_set(f, ERR_EXISTS,
					 "%s: there is a profile '%s' already",
					 file, e->p.name);
		n += !was;
	}
	if (s->count + n > PROFILES_MAX)
		return fault_set(f, ERR_INVALID,
				 "%s: there are more than %d profiles", file,
				 PROFILES_MAX);
	return OK;
}

enum err profiles_add(struct profiles *s, const char *file, const char *text,
		      size_t len, struct fault *f)
{
	AUTO(profiles_free) struct profiles *alone = NULL;

	if (len > PROFILE_TEXT_MAX)
		return fault_set(f, ERR_TOO_LARGE,
				 "%s: a file of profiles has at most %d bytes",
				 file, PROFILE_TEXT_MAX);
	alone = profiles_new(false);
	TRY(lines_add(alone, file, text, len, f));
	TRY(check_apart(s, alone, file, f));
	return lines_add(s, file, text, len, f);
}

/* What a type without a profile gets, where every type has one; the one named spiffe
 * is of that kind. */
static const struct profile *make_default(struct profiles *s, struct span name)
{
	static const char any[] = " dns={node} dns=*.{node} wildcard=yes",
			  spiffe[] = " kind=spiffe";
	AUTO(buf_wipe) struct buf line = { 0 };
	struct profile p;

	if (s->count == PROFILES_MAX || type_check(name, NULL) != OK)
		return NULL;
	buf_init(&line, 4096);
	ENSURE(buf_str(&line, "profile=") == OK);
	ENSURE(buf_put(&line, name.p, name.n) == OK);
	ENSURE(buf_str(&line, " life=24h max_life=90d usage=server,client") ==
	       OK);
	ENSURE(buf_str(&line, span_is(name, "spiffe") ? spiffe : any) == OK);
	ENSURE(line_parse((const char *)line.p, line.len, &p, NULL) == OK);
	insert(s, &p, true);
	return &s->at[s->count - 1]->p;
}

const struct profile *profiles_find(struct profiles *s, struct span name)
{
	struct entry *e = map_find(s->by_name, name.p, name.n);

	if (e)
		return &e->p;
	return s->default_profile ? make_default(s, name) : NULL;
}

const struct profile *profiles_next(const struct profiles *s, size_t *at)
{
	return *at < s->count ? &s->at[(*at)++]->p : NULL;
}
