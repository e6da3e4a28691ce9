/* Is the subject one that a grant names? Used by vault, keeper and the command; pure
 * functions; holds no secret. */
#include "lib/grant_judge.h"

#include "lib/capability.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool judge_refuse(const struct judge *j, const char *fmt, ...)
{
	char text[FAULT_TEXT_MAX];
	va_list ap;

	if (!j->why)
		return false;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	(void)fault_set(j->why, ERR_DENIED, "grant %llu: %.400s",
			(unsigned long long)j->g->id, text);
	return false;
}

bool judge_refuse_value(const struct judge *j, const char *name,
			const void *value, size_t len)
{
	struct attr a = { .value = (const uint8_t *)"" };

	(void)attr_find(j->g->text, name, &a);
	return judge_refuse(
		j, "%s '%.*s' is not within %s=%.*s", name,
		(int)MIN(len, (size_t)JUDGE_SHOWN), (const char *)value, name,
		(int)MIN(a.len, (uint32_t)JUDGE_SHOWN), (const char *)a.value);
}

bool judge_is(struct piece v, const void *p, size_t len)
{
	return v.len == len && (!len || !memcmp(v.p, p, len));
}

bool judge_holds(struct span_set set, const char *text)
{
	size_t n = strlen(text);

	for (unsigned i = 0; i < set.count; i++)
		if (judge_is(set.item[i], text, n))
			return true;
	return false;
}

/* Who is on this machine */

static bool uid_fits(const struct judge *j)
{
	const struct id_set *ids = &j->g->uids;

	for (unsigned i = 0; i < ids->count; i++)
		if (ids->item[i] == j->s->uid)
			return true;
	return !ids->count ||
	       judge_refuse(j, "uid %u is not among its uids", j->s->uid);
}

static bool gid_fits(const struct judge *j)
{
	const struct id_set *ids = &j->g->gids;

	for (unsigned i = 0; i < ids->count; i++)
		if (subject_in_group(j->s, ids->item[i]))
			return true;
	return !ids->count ||
	       judge_refuse(j, "uid %u is in none of its groups", j->s->uid);
}

static bool unit_fits(const struct judge *j, enum grant_name name,
		      const char *unit)
{
	struct span_set set = j->g->set[name];

	if (!set.count || (unit && judge_holds(set, unit)))
		return true;
	if (!unit)
		return judge_refuse(j, "the process is in no %s",
				    name == GRANT_UNIT
					    ? "system unit"
					    : "unit of a user's manager");
	return judge_refuse_value(j, grant_name(name), unit, strlen(unit));
}

/* Who has a certificate */

static bool cap_covers(const char *have, struct piece want)
{
	struct capability h, w;

	return capability_parse(span_str(have), false, &h, NULL) == OK &&
	       capability_parse(span_of(want.p, want.len), false, &w, NULL) ==
		       OK &&
	       capability_covers(&h, &w);
}

static bool cert_fits(const struct judge *j, enum grant_name name,
		      const char *value)
{
	struct span_set set = j->g->set[name];

	if (!set.count || (value && judge_holds(set, value)))
		return true;
	if (!value)
		return judge_refuse(j, "the certificate has no %s",
				    grant_name(name));
	return judge_refuse_value(j, grant_name(name), value, strlen(value));
}

/* Is there a capability that covers one of the grant's? */
static bool cap_fits(const struct judge *j)
{
	struct span_set set = j->g->set[GRANT_CERT_CAP];
	const struct subject_cert *cert = &j->s->cert;

	for (unsigned i = 0; i < set.count; i++)
		for (unsigned k = 0; k < cert->caps; k++)
			if (cap_covers(cert->cap[k], set.item[i]))
				return true;
	return !set.count ||
	       judge_refuse(j,
			    "the certificate has no capability for "
			    "cert.cap=%.*s",
			    (int)MIN(set.item[0].len, (uint32_t)JUDGE_SHOWN),
			    set.item[0].p);
}

static bool remote_fits(const struct judge *j)
{
	const struct subject_cert *cert = &j->s->cert;

	if (!grant_is_remote(j->g))
		return judge_refuse(j, "it is for who is on this machine, and "
				       "who asks came with a certificate");
	return cert_fits(j, GRANT_CERT_UID, cert->uid) &&
	       cert_fits(j, GRANT_CERT_OU, cert->ou) &&
	       cert_fits(j, GRANT_CERT_O, cert->o) && cap_fits(j);
}

static bool local_fits(const struct judge *j)
{
	return uid_fits(j) && gid_fits(j) &&
	       unit_fits(j, GRANT_UNIT, j->s->unit) &&
	       unit_fits(j, GRANT_USER_UNIT, j->s->user_unit);
}

/* Over HTTP a process is not examined: which program it runs and in which unit it
 * is, is not proved. */
static bool gate_fits(const struct judge *j)
{
	static const enum grant_name proved[] = { GRANT_EXE, GRANT_UNIT,
						  GRANT_USER_UNIT };

	for (size_t i = 0; i < NELEM(proved); i++)
		if (j->g->set[proved[i]].count)
			return judge_refuse(j,
					    "it limits the %s, which nobody "
					    "proves over HTTP: use the native "
					    "protocol, or a grant for uid or "
					    "gid alone",
					    grant_name(proved[i]));
	return uid_fits(j) && gid_fits(j);
}

bool grant_subject_fits(const struct judge *j)
{
	if (j->s->via == VIA_TLS)
		return remote_fits(j);
	if (grant_is_remote(j->g))
		return judge_refuse(j,
				    "it is for who comes with a certificate, "
				    "and who asks is on this machine");
	return j->s->via == VIA_GATE ? gate_fits(j) : local_fits(j);
}
