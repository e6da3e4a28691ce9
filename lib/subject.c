/* Used by vault (from door's words) and the command (from a person's, to test
 * grants); holds no secret. */
#include "lib/subject.h"

#include "lib/num.h"

#include <stdlib.h>
#include <string.h>

static enum err subject_bad(const struct attr *a, const char *form,
			    struct fault *f)
{
	return fault_set(f, ERR_INVALID, "subject: '%.*s' is %s", a->name_len,
			 a->name, form);
}

static enum err subject_u32(const struct attr *a, uint32_t most, uint32_t *v,
			    struct fault *f)
{
	uint64_t x;

	/* 2^32-1 means "no id" to the kernel */
	if (attr_u64(a, most, &x) != OK)
		return subject_bad(a, "a number, no name", f);
	*v = (uint32_t)x;
	return OK;
}

static enum err subject_str(const struct attr *a, size_t most, char **s,
			    struct fault *f)
{
	if (!a->len || a->len > most || attr_str(a, s) != OK)
		return subject_bad(a, "a text without NUL", f);
	return OK;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Takes all gids of the list, sorted, each once, the lowest if they are many. */
static void subject_keep_gids(struct subject *s, uint32_t *gids, unsigned n)
{
	unsigned kept = 0;

	qsort(gids, n, sizeof *gids, by_value);
	for (unsigned i = 0; i < n && kept < SUBJECT_GIDS_MAX; i++)
		if (!kept || gids[kept - 1] != gids[i])
			gids[kept++] = gids[i];
	s->gids = gids;
	s->gid_count = kept;
}

enum {
	GROUPS_READ_MAX = 65537
}; /* NGROUPS_MAX and the primary one */

static enum err subject_groups(struct subject *s, const struct attr *a,
			       bool has_gid, struct fault *f)
{
	AUTO(mem_free) uint32_t *gids = NULL;
	const char *p = (const char *)a->value;
	size_t left = a->len;
	unsigned n = 0;

	gids = xcalloc(left / 2 + 2, sizeof *gids);
	if (has_gid)
		gids[n++] = s->gid;
	while (left) {
		const char *comma = memchr(p, ',', left);
		size_t k = comma ? (size_t)(comma - p) : left;
		uint64_t v;

		if (n == GROUPS_READ_MAX ||
		    num_u64(p, k, UINT32_MAX - 1, &v) != OK ||
		    (comma && k + 1 == left))
			return subject_bad(a, "a list of numbers", f);
		gids[n++] = (uint32_t)v;
		k += comma != NULL;
		p += k;
		left -= k;
	}
	subject_keep_gids(s, gids, n);
	gids = NULL;
	return OK;
}

static enum err subject_cap(struct subject *s, const struct attr *a,
			    struct fault *f)
{
	if (s->cert.caps == SUBJECT_CAPS_MAX)
		return fault_set(f, ERR_INVALID,
				 "subject: 'cert.cap' is there more than %d "
				 "times",
				 SUBJECT_CAPS_MAX);
	return subject_str(a, SUBJECT_CERT_MAX, &s->cert.cap[s->cert.caps++],
			   f);
}

/* The attributes other than the groups, which need to know gid first. */
static enum err subject_attr(struct subject *s, const struct attr *a,
			     struct fault *f)
{
	uint32_t pid = 0;

	if (attr_named(a, "uid"))
		return subject_u32(a, UINT32_MAX - 1, &s->uid, f);
	if (attr_named(a, "gid"))
		return subject_u32(a, UINT32_MAX - 1, &s->gid, f);
	if (attr_named(a, "pid")) {
		TRY(subject_u32(a, INT32_MAX, &pid, f));
		s->pid = (int32_t)pid;
		return OK;
	}
	if (attr_named(a, "exe"))
		return subject_str(a, SUBJECT_EXE_MAX, &s->exe, f);
	if (attr_named(a, "unit"))
		return subject_str(a, SUBJECT_UNIT_MAX, &s->unit, f);
	if (attr_named(a, "user_unit"))
		return subject_str(a, SUBJECT_UNIT_MAX, &s->user_unit, f);
	if (attr_named(a, "admin") && (attr_is(a, "yes") || attr_is(a, "no"))) {
		s->admin = attr_is(a, "yes");
		return OK;
	}
	if (attr_named(a, "via") && (attr_is(a, "gate") || attr_is(a, "tls"))) {
		s->via = attr_is(a, "gate") ? VIA_GATE : VIA_TLS;
		return OK;
	}
	if (attr_named(a, "cert.o"))
		return subject_str(a, SUBJECT_CERT_MAX, &s->cert.o, f);
	if (attr_named(a, "cert.ou"))
		return subject_str(a, SUBJECT_CERT_MAX, &s->cert.ou, f);
	if (attr_named(a, "cert.uid"))
		return subject_str(a, SUBJECT_CERT_MAX, &s->cert.uid, f);
	if (attr_named(a, "serial"))
		return subject_str(a, SUBJECT_CERT_MAX, &s->cert.serial, f);
	if (attr_named(a, "cert.cap"))
		return subject_cap(s, a, f);
	if (attr_named(a, "groups"))
		return OK;
	return fault_set(f, ERR_INVALID,
			 "subject: '%.*s' is unknown or has an unknown value: "
			 "there are uid gid groups pid exe unit user_unit "
			 "cert.o cert.ou cert.uid cert.cap serial admin=yes "
			 "via=gate|tls",
			 a->name_len, a->name);
}

/* Who is remote has a certificate and nothing of this machine. */
static enum err subject_remote(struct subject *s, struct attr_view v,
			       struct fault *f)
{
	static const char *const local[] = { "uid", "gid",  "groups",   "pid",
					     "exe", "unit", "user_unit" };

	for (size_t i = 0; i < NELEM(local); i++)
		if (attr_count(v, local[i]))
			return fault_set(f, ERR_INVALID,
					 "subject: who has a certificate has "
					 "no '%s' here",
					 local[i]);
	if (s->via == VIA_GATE)
		return fault_set(f, ERR_INVALID,
				 "subject: who has a certificate comes "
				 "via=tls");
	s->via = VIA_TLS;
	s->uid = s->gid = SUBJECT_NO_ID;
	return OK;
}

static bool subject_has_cert(const struct subject *s)
{
	const struct subject_cert *c = &s->cert;

	return c->o || c->ou || c->uid || c->caps || c->serial;
}

enum err subject_parse(struct attr_view v, struct subject *s, struct fault *f)
{
	struct attr_view it = v;
	struct attr a = { .name = "groups", .name_len = 6 };
	bool has_gid;

	*s = (struct subject){ .pid = 0 };
	while (attr_next(&it, &a)) {
		char name[ATTR_NAME_MAX + 1] = "";

		memcpy(name, a.name, a.name_len);
		if (attr_count(v, name) > 1 && strcmp(name, "cert.cap") != 0)
			return subject_bad(&a, "said twice", f);
		TRY(subject_attr(s, &a, f));
	}
	if (s->via == VIA_TLS || subject_has_cert(s))
		return subject_remote(s, v, f);
	if (!attr_find(v, "uid", &a))
		return fault_set(f, ERR_INVALID, "subject: 'uid' is missing");
	if (s->via == VIA_GATE && s->admin)
		return fault_set(f, ERR_INVALID,
				 "subject: nobody is an admin over HTTP on "
				 "this machine");
	has_gid = attr_find(v, "gid", &a);
	if (!attr_find(v, "groups", &a))
		a = (struct attr){ .name = "groups", .name_len = 6 };
	return subject_groups(s, &a, has_gid, f);
}

void subject_wipe(struct subject *s)
{
	free(s->gids);
	free(s->exe);
	free(s->unit);
	free(s->user_unit);
	free(s->cert.o);
	free(s->cert.ou);
	free(s->cert.uid);
	free(s->cert.serial);
	while (s->cert.caps)
		free(s->cert.cap[--s->cert.caps]);
	*s = (struct subject){ .pid = 0 };
}

bool subject_in_group(const struct subject *s, uint32_t gid)
{
	return s->gid_count &&
	       bsearch(&gid, s->gids, s->gid_count, sizeof gid, by_value);
}

static enum err subject_add(struct attrs *out, const char *name,
			    const char *value)
{
	return value ? attrs_add_str(out, name, value) : OK;
}

static enum err subject_format_remote(const struct subject *s,
				      struct attrs *out)
{
	TRY(attrs_add_fmt(out, "subject", "agent:%s",
			  s->cert.uid ? s->cert.uid : "-"));
	TRY(subject_add(out, "type", s->cert.o));
	TRY(subject_add(out, "node", s->cert.ou));
	TRY(subject_add(out, "serial", s->cert.serial));
	return subject_add(out, "via", "tls");
}

enum err subject_format(const struct subject *s, struct attrs *out)
{
	char uid[24] = "uid:";

	if (s->via == VIA_TLS)
		return subject_format_remote(s, out);
	TRY(attrs_add(out, "subject", 0, uid, 4 + num_format(s->uid, uid + 4)));
	if (s->pid)
		TRY(attrs_add_u64(out, "pid", (uint64_t)s->pid));
	TRY(subject_add(out, "exe", s->exe));
	TRY(subject_add(out, "unit", s->unit));
	TRY(subject_add(out, "user_unit", s->user_unit));
	return subject_add(out, "via", s->via == VIA_GATE ? "gate" : NULL);
}

/* FNV-1a, the NUL included. */
static uint64_t hash_text(uint64_t h, const char *p)
{
	do
		h = (h ^ (p ? (uint8_t)*p : 0)) * UINT64_C(0x100000001b3);
	while (p && *p++);
	return h;
}

static uint64_t account_of(const char *node, const char *agent)
{
	uint64_t h = hash_text(UINT64_C(0xcbf29ce484222325), node);

	return hash_text(h, agent) | UINT64_C(1) << 63;
}

uint64_t subject_account(const struct subject *s)
{
	if (s->via != VIA_TLS)
		return s->uid;
	return account_of(s->cert.ou,
			  s->cert.uid ? s->cert.uid : s->cert.serial);
}

uint64_t subject_node_account(const struct subject *s)
{
	return s->via == VIA_TLS ? account_of(s->cert.ou, "") : s->uid;
}

/* Proofs. */

static int proof_find(const struct proof *p, const char *path, size_t len)
{
	for (unsigned i = 0; i < p->count; i++)
		if (strlen(p->exe[i].path) == len &&
		    !memcmp(p->exe[i].path, path, len))
			return (int)i;
	return -1;
}

void proof_set(struct proof *p, const char *path, size_t path_len, bool alive,
	       bool exe)
{
	/* once dead, dead: a later answer cannot bring a process back */
	if (!alive || p->alive == PROOF_NO)
		p->alive = PROOF_NO;
	else
		p->alive = PROOF_YES;
	if (!path || p->count == PROOF_MAX ||
	    proof_find(p, path, path_len) >= 0)
		return;
	p->exe[p->count].path = xcalloc(1, path_len + 1);
	memcpy(p->exe[p->count].path, path, path_len);
	p->exe[p->count++].is = exe;
}

void proof_wipe(struct proof *p)
{
	for (unsigned i = 0; i < p->count; i++)
		free(p->exe[i].path);
	*p = (struct proof){ .count = 0 };
}

enum proof_state proof_alive(const struct proof *p)
{
	return p ? p->alive : PROOF_UNKNOWN;
}

enum proof_state proof_exe(const struct proof *p, const char *path, size_t len)
{
	int i;

	if (!p)
		return PROOF_UNKNOWN;
	if (p->alive == PROOF_NO)
		return PROOF_NO;
	i = proof_find(p, path, len);
	if (i >= 0)
		return p->exe[i].is ? PROOF_YES : PROOF_NO;
	return p->count == PROOF_MAX ? PROOF_NO : PROOF_UNKNOWN;
}
