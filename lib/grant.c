/* Grants from attribute lists. Used by vault and the command (`grant add` refuses
 * at the terminal what vault would refuse); holds no secret. */
#include "lib/grant.h"

#include "lib/clock.h"
#include "lib/grant_item.h"
#include "lib/num.h"

#include <stdlib.h>
#include <string.h>

enum {
	SKEW_PRESET = 900,
	LIFETIME_PRESET = 900,
	PERIOD_MAX = 10 * 366 * 86400, /* of max_skew and lifetime */
};

/* Names said at most once, and those that are sets of numbers. */
static const char *const single_names[] = { "max_skew", "lifetime",
					    "not_before", "not_after",
					    "reveal" };
static const char *const number_names[] = { "uid", "gid" };
static const char *const later_names[] = { "confirm", "uses", "rate", "approve",
					   "self" };

/* What only the use of a credential can have. */
static const char *const request_names[] = {
	"op",     "method", "host",   "path",     "query",    "service",
	"region", "action", "reveal", "max_skew", "lifetime",
};

/* Comma-separated items of one value. */
struct items {
	const char *p;
	size_t left;
	bool done;
};

static struct items items_of(const struct attr *a)
{
	return (struct items){ .p = (const char *)a->value, .left = a->len };
}

/* An empty item (and so an empty value) comes out as one of length 0. */
static bool items_next(struct items *it, struct piece *item)
{
	const char *comma = it->left ? memchr(it->p, ',', it->left) : NULL;
	size_t n = comma ? (size_t)(comma - it->p) : it->left;

	if (it->done)
		return false;
	*item = (struct piece){ .p = it->p, .len = (uint32_t)n };
	it->done = !comma;
	if (comma) {
		it->p += n + 1;
		it->left -= n + 1;
	}
	return true;
}

/* Sets. The block has room for every item there can be: one more than commas, for
 * each attribute. */
struct room {
	struct piece *spans;
	uint32_t *numbers;
};

static enum err too_many(const char *name, struct fault *f)
{
	return fault_set(f, ERR_TOO_LARGE,
			 "%s= has more than %d values: make several grants",
			 name, GRANT_ITEMS_MAX);
}

static enum err parse_set(struct grant *g, enum grant_name name,
			  struct room *room, struct fault *f)
{
	struct attr_view it = g->text;
	struct attr a;
	struct piece v;
	struct piece *first = room->spans;
	unsigned n = 0;

	while (attr_next(&it, &a)) {
		struct items items = items_of(&a);

		if (!attr_named(&a, grant_name(name)))
			continue;
		while (items_next(&items, &v)) {
			if (n == GRANT_ITEMS_MAX)
				return too_many(grant_name(name), f);
			TRY(grant_item_check(name, v, f));
			first[n++] = v;
		}
	}
	room->spans += n;
	g->set[name] = (struct span_set){ .item = first, .count = n };
	return OK;
}

static enum err parse_numbers(struct grant *g, const char *name,
			      struct id_set *out, struct room *room,
			      struct fault *f)
{
	struct attr_view it = g->text;
	struct attr a;
	struct piece v;
	uint32_t *first = room->numbers;
	unsigned n = 0;
	uint64_t id;

	while (attr_next(&it, &a)) {
		struct items items = items_of(&a);

		if (!attr_named(&a, name))
			continue;
		while (items_next(&items, &v)) {
			if (n == GRANT_ITEMS_MAX)
				return too_many(name, f);
			if (num_u64(v.p, v.len, UINT32_MAX - 1, &id) != OK)
				return grant_item_bad(
					name, v,
					"this is a number (names are "
					"resolved by the command)",
					f);
			first[n++] = (uint32_t)id;
		}
	}
	room->numbers += n;
	*out = (struct id_set){ .item = first, .count = n };
	return OK;
}

/* Single values. */

static struct piece piece_of(const struct attr *a)
{
	return (struct piece){ .p = (const char *)a->value, .len = a->len };
}

static enum err parse_period(struct grant *g, const char *name, uint64_t *v,
			     struct fault *f)
{
	struct attr a;

	if (!attr_find(g->text, name, &a))
		return OK;
	if (attr_is(&a, "any")) {
		*v = GRANT_ANY;
		return OK;
	}
	if (num_duration((const char *)a.value, a.len, false, PERIOD_MAX, v) !=
	    OK)
		return grant_item_bad(
			name, piece_of(&a),
			"this is a duration such as 90s, 5m or 24h, "
			"or any",
			f);
	return OK;
}

static enum err parse_time(struct grant *g, const char *name, int64_t *t,
			   struct fault *f)
{
	struct attr a;

	if (!attr_find(g->text, name, &a))
		return OK;
	if (clock_parse((const char *)a.value, a.len, t) != OK)
		return grant_item_bad(
			name, piece_of(&a),
			"this is a time such as 2030-01-02T03:04:05Z", f);
	return OK;
}

static enum err parse_reveal(struct grant *g, struct fault *f)
{
	struct attr a;
	struct items items;
	struct piece v;

	if (!attr_find(g->text, "reveal", &a))
		return OK;
	items = items_of(&a);
	while (items_next(&items, &v)) {
		if (v.len == 5 && !memcmp(v.p, "token", 5))
			g->reveal_token = true;
		else if (v.len == 6 && !memcmp(v.p, "secret", 6))
			g->reveal_secret = true;
		else
			return grant_item_bad("reveal", v,
					      "this is token or secret", f);
	}
	return OK;
}

static enum err parse_singles(struct grant *g, struct fault *f)
{
	TRY(parse_period(g, "max_skew", &g->max_skew, f));
	TRY(parse_period(g, "lifetime", &g->lifetime, f));
	TRY(parse_time(g, "not_before", &g->not_before, f));
	TRY(parse_time(g, "not_after", &g->not_after, f));
	if (g->not_after <= g->not_before)
		return fault_set(f, ERR_INVALID,
				 "not_after= is not later than not_before=: "
				 "the grant would never hold");
	return parse_reveal(g, f);
}

/* Names. */

static bool named_one_of(const struct attr *a, const char *const *names,
			 size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (attr_named(a, names[i]))
			return true;
	return false;
}

static bool named_set(const struct attr *a)
{
	for (size_t i = 0; i < GRANT__NAMES; i++)
		if (attr_named(a, grant_name((enum grant_name)i)))
			return true;
	return false;
}

static enum err name_check(struct attr_view all, const struct attr *a,
			   struct fault *f)
{
	char name[ATTR_NAME_MAX + 1] = "";

	memcpy(name, a->name, a->name_len);
	if (a->flags & ATTR_CONFIDENTIAL)
		return fault_set(f, ERR_INVALID,
				 "'!%s': a grant holds nothing confidential",
				 name);
	if (named_set(a) || named_one_of(a, number_names, NELEM(number_names)))
		return OK;
	if (named_one_of(a, later_names, NELEM(later_names)))
		return fault_set(f, ERR_UNSUPPORTED,
				 "limit '%s' is not supported yet by this "
				 "version",
				 name);
	if (!named_one_of(a, single_names, NELEM(single_names)))
		return fault_set(f, ERR_INVALID,
				 "there is no limit '%s' (see the page on "
				 "grants for all of them)",
				 name);
	if (attr_count(all, name) > 1)
		return fault_set(f, ERR_INVALID,
				 "'%s' is said twice: it has one value", name);
	return OK;
}

/* The whole. */

static bool has_any(const struct grant *g, const enum grant_name *names,
		    size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (g->set[names[i]].count)
			return true;
	return false;
}

bool grant_is_remote(const struct grant *g)
{
	static const enum grant_name cert[] = { GRANT_CERT_UID, GRANT_CERT_CAP,
						GRANT_CERT_OU, GRANT_CERT_O };

	return has_any(g, cert, NELEM(cert));
}

/* Nobody is both on this machine and the holder of a certificate. */
static enum err remote_check(const struct grant *g, struct fault *f)
{
	static const enum grant_name local[] = { GRANT_EXE, GRANT_UNIT,
						 GRANT_USER_UNIT };

	if (g->uids.count || g->gids.count || has_any(g, local, NELEM(local)))
		return fault_set(f, ERR_INVALID,
				 "cert.*= is about who comes with a "
				 "certificate, uid= gid= exe= unit= user_unit= "
				 "about who is on this machine: one grant for "
				 "both could never match, make two");
	if (g->set[GRANT_CERT_UID].count && !g->set[GRANT_CERT_OU].count)
		return fault_set(f, ERR_INVALID,
				 "cert.uid= only narrows a node, because every "
				 "node gives its agents their ids: add "
				 "cert.ou=");
	if (grant_is_agent(g))
		return fault_set(f, ERR_INVALID,
				 "agents are started by who is on their "
				 "machine: cert.*= is for credentials");
	return OK;
}

static enum err subject_check(const struct grant *g, struct fault *f)
{
	bool ids = g->uids.count || g->gids.count;
	bool unit = g->set[GRANT_UNIT].count;

	if (grant_is_remote(g))
		return remote_check(g, f);
	if (!ids && !unit && !g->set[GRANT_USER_UNIT].count &&
	    !g->set[GRANT_EXE].count)
		return fault_set(f, ERR_INVALID,
				 "a grant needs a subject: uid=, gid=, exe=, "
				 "unit= or user_unit=, or cert.o=, cert.ou= or "
				 "cert.cap=");
	if (g->set[GRANT_EXE].count && !g->uids.count && !unit)
		return fault_set(f, ERR_INVALID,
				 "exe= only narrows a uid or a unit: add uid= "
				 "or unit=");
	if (g->set[GRANT_USER_UNIT].count && !ids)
		return fault_set(f, ERR_INVALID,
				 "user_unit= only narrows a uid or a gid, "
				 "because every user can start a unit of any "
				 "name: add uid= or gid=");
	return OK;
}

bool grant_is_agent(const struct grant *g)
{
	return g->set[GRANT_AGENT].count != 0;
}

enum err grant_kept_check(const struct grant *g, bool agents, struct fault *f)
{
	if (grant_is_agent(g) == agents)
		return OK;
	if (agents)
		return fault_set(f, ERR_INVALID,
				 "grants for credentials are kept by credd, "
				 "those for agents here: ask credd, or write "
				 "agent=TYPE");
	return fault_set(f, ERR_INVALID,
			 "grants for agents are kept by certmgr, those for "
			 "credentials here: ask certmgr, or write "
			 "credential=NAME");
}

/* An agent has no request whose content could be limited. */
static enum err agent_check(const struct grant *g, struct fault *f)
{
	struct span_set types = g->set[GRANT_AGENT];

	if (g->set[GRANT_CREDENTIAL].count)
		return fault_set(f, ERR_INVALID,
				 "a grant is for a credential or for agents: "
				 "make two of credential= and agent=");
	for (size_t i = 0; i < NELEM(request_names); i++)
		if (attr_count(g->text, request_names[i]))
			return fault_set(f, ERR_INVALID,
					 "%s= limits requests with a "
					 "credential: who starts an agent "
					 "makes none",
					 request_names[i]);
	for (unsigned i = 0; types.count > 1 && i < types.count; i++)
		if (types.item[i].p[0] == '*')
			return fault_set(f, ERR_INVALID,
					 "agent=* is every type: name no other "
					 "beside it");
	return OK;
}

static enum err object_check(const struct grant *g, struct fault *f)
{
	if (grant_is_agent(g))
		return agent_check(g, f);
	if (!g->set[GRANT_CREDENTIAL].count)
		return fault_set(f, ERR_INVALID,
				 "a grant needs a credential or a type of "
				 "agents: credential=NAME or agent=TYPE");
	return OK;
}

/* How many the index has it under, for each object: lib/grant_index.h. */
static unsigned subjects_of(const struct grant *g)
{
	static const enum grant_name by[] = { GRANT_UNIT, GRANT_CERT_UID,
					      GRANT_CERT_CAP, GRANT_CERT_OU,
					      GRANT_CERT_O };

	if (g->uids.count)
		return g->uids.count;
	for (size_t i = 0; i < NELEM(by); i++)
		if (g->set[by[i]].count)
			return g->set[by[i]].count;
	return g->gids.count;
}

static enum err grant_check(const struct grant *g, struct fault *f)
{
	unsigned objects =
		g->set[GRANT_CREDENTIAL].count + g->set[GRANT_AGENT].count;
	unsigned subjects = subjects_of(g);

	TRY(object_check(g, f));
	TRY(subject_check(g, f));
	if (subjects * objects > GRANT_PAIRS_MAX)
		return fault_set(f, ERR_TOO_LARGE,
				 "a grant pairs at most %d %s and subjects: "
				 "make several grants",
				 GRANT_PAIRS_MAX,
				 grant_is_agent(g) ? "types" : "credentials");
	return OK;
}

static enum err grant_fill(struct grant *g, struct room *room, struct fault *f)
{
	struct attr_view it = g->text;
	struct attr a;

	while (attr_next(&it, &a))
		TRY(name_check(g->text, &a, f));
	for (unsigned i = 0; i < GRANT__NAMES; i++)
		TRY(parse_set(g, (enum grant_name)i, room, f));
	TRY(parse_numbers(g, "uid", &g->uids, room, f));
	TRY(parse_numbers(g, "gid", &g->gids, room, f));
	TRY(parse_singles(g, f));
	return grant_check(g, f);
}

/* As many items as the list can hold. */
static size_t room_needed(struct attr_view v)
{
	struct attr a;
	size_t n = 0;

	while (attr_next(&v, &a)) {
		n++;
		for (uint32_t i = 0; i < a.len; i++)
			n += a.value[i] == ',';
	}
	return n;
}

enum err grant_parse(struct attr_view v, struct grant **out, struct fault *f)
{
	size_t n = room_needed(v);
	struct room room;
	struct grant *g;
	uint8_t *text;
	enum err e;

	if (v.len > GRANT_BYTES_MAX)
		return fault_set(f, ERR_TOO_LARGE, "a grant is over %d bytes",
				 GRANT_BYTES_MAX);
	g = xcalloc(1, sizeof *g +
			       n * (sizeof *room.spans + sizeof *room.numbers) +
			       v.len);
	room.spans = (struct piece *)(void *)(g + 1);
	room.numbers = (uint32_t *)(void *)(room.spans + n);
	text = (uint8_t *)(room.numbers + n);
	if (v.len)
		memcpy(text, v.p, v.len);
	g->text = (struct attr_view){ .p = text, .len = v.len };
	g->max_skew = SKEW_PRESET;
	g->lifetime = LIFETIME_PRESET;
	g->not_before = INT64_MIN;
	g->not_after = INT64_MAX;
	e = grant_fill(g, &room, f);
	if (e != OK) {
		grant_free(g);
		return e;
	}
	*out = g;
	return OK;
}

void grant_free(struct grant *g)
{
	free(g);
}
