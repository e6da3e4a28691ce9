/* The decision: a pure function of grant, subject, request and time. Used by vault
 * (and by `grant test`); no I/O, no clock, no globals; holds no secret.
 *
 * A limit that was not said limits nothing; one that was said holds only if the
 * fact it is about is known and every fact of that name fits. */
#include "lib/grant_judge.h"

#include "lib/clock.h"
#include "lib/glob.h"
#include "lib/grant_fact.h"
#include "lib/num.h"

#include <string.h>

enum {
	FACT_BYTES_MAX = 16
			 << 10, /* of all facts of one name: bounds the work */
};

static const uint64_t life_most = 10000000000; /* seconds */

/* Credential, operation, time of the grant. */

static bool name_fits(const struct judge *j, enum grant_name name,
		      const char *asked)
{
	struct span_set set = j->g->set[name];

	return !set.count || judge_holds(set, asked) ||
	       judge_refuse_value(j, grant_name(name), asked, strlen(asked));
}

static bool reveal_fits(const struct judge *j)
{
	switch (j->rq->reveals) {
	case CRETULA_REVEAL_SIGNATURE:
	case CRETULA_REVEAL_BEARER:
		return true;
	case CRETULA_REVEAL_TOKEN:
		return j->g->reveal_token ||
		       judge_refuse(j,
				    "'%s' reveals a token, which needs "
				    "reveal=token",
				    j->rq->op);
	case CRETULA_REVEAL_SECRET:
		break;
	}
	return j->g->reveal_secret ||
	       judge_refuse(j,
			    "'%s' reveals a secret, which needs reveal=secret",
			    j->rq->op);
}

static bool period_fits(const struct judge *j)
{
	char text[CLOCK_TEXT];

	if (j->now < j->g->not_before) {
		clock_format(j->g->not_before, text);
		return judge_refuse(j, "it holds only from %s", text);
	}
	if (j->now >= j->g->not_after) {
		clock_format(j->g->not_after, text);
		return judge_refuse(j, "it ended at %s", text);
	}
	return true;
}

static bool agent_fits(const struct judge *j)
{
	struct span_set types = j->g->set[GRANT_AGENT];

	if (!grant_is_agent(j->g))
		return judge_refuse(j, "it is for credentials, not for agents");
	return types.item[0].p[0] == '*' ||
	       name_fits(j, GRANT_AGENT, j->rq->agent);
}

static bool admission_fits(const struct judge *j)
{
	if (j->rq->agent)
		return grant_subject_fits(j) && agent_fits(j) && period_fits(j);
	if (grant_is_agent(j->g))
		return judge_refuse(j, "it is for agents, not for credentials");
	return grant_subject_fits(j) &&
	       name_fits(j, GRANT_CREDENTIAL, j->rq->credential) &&
	       name_fits(j, GRANT_OP, j->rq->op) && reveal_fits(j) &&
	       period_fits(j);
}

/* Facts. */

static bool refuse_unknown(const struct judge *j, const char *name)
{
	return judge_refuse(
		j, "it limits the %s, which is not known of this request",
		name);
}

static bool refuse_long(const struct judge *j, const char *name)
{
	return judge_refuse(j, "the %s is over %d bytes, too long to be judged",
			    name, FACT_BYTES_MAX);
}

static bool item_fits(enum grant_name name, struct piece item, const char *p,
		      size_t len)
{
	if (name == GRANT_METHOD)
		return judge_is(item, p, len);
	return glob_match(name == GRANT_HOST   ? GLOB_HOST
			  : name == GRANT_PATH ? GLOB_PATH
					       : GLOB_ANY,
			  item.p, item.len, p, len);
}

static bool fact_fits(const struct judge *j, enum grant_name name)
{
	struct span_set set = j->g->set[name];
	struct attr_view it = j->rq->facts;
	struct attr a;
	bool known = false;
	size_t bytes = 0;

	if (!set.count)
		return true;
	while (attr_next(&it, &a)) {
		unsigned i = 0;

		if (!attr_named(&a, grant_name(name)))
			continue;
		known = true;
		bytes += a.len;
		if (bytes > FACT_BYTES_MAX)
			return refuse_long(j, grant_name(name));
		while (i < set.count &&
		       !item_fits(name, set.item[i], (const char *)a.value,
				  a.len))
			i++;
		if (i == set.count)
			return judge_refuse_value(j, grant_name(name), a.value,
						  a.len);
	}
	return known || refuse_unknown(j, grant_name(name));
}

/* The module says that the service takes paths as they are. */
static bool service_keeps_paths(struct attr_view facts)
{
	struct attr a;
	bool said = false;

	while (attr_next(&facts, &a)) {
		if (!attr_named(&a, "normalises"))
			continue;
		if (!attr_is(&a, "no"))
			return false;
		said = true;
	}
	return said;
}

static bool path_fits(const struct judge *j)
{
	struct attr_view it = j->rq->facts;
	struct attr a;

	if (!fact_fits(j, GRANT_PATH))
		return false;
	if (!j->g->set[GRANT_PATH].count || service_keeps_paths(it))
		return true;
	while (attr_next(&it, &a)) {
		if (!attr_named(&a, "path") ||
		    !grant_path_deceives(a.value, a.len))
			continue;
		return judge_refuse(
			j,
			"path '%.*s' could be read as another one "
			"(dot or empty segments, backslashes, %%2e, "
			"%%2f)",
			(int)MIN(a.len, (uint32_t)JUDGE_SHOWN),
			(const char *)a.value);
	}
	return true;
}

static bool query_fits(const struct judge *j)
{
	struct span_set set = j->g->set[GRANT_QUERY];
	struct attr_view it = j->rq->facts;
	struct attr a;
	bool known = false;
	size_t bytes = 0;

	if (!set.count)
		return true;
	while (attr_next(&it, &a)) {
		if (!attr_named(&a, "query"))
			continue;
		known = true;
		bytes += a.len;
		if (bytes > FACT_BYTES_MAX)
			return refuse_long(j, "query");
		if (!grant_query_fits(set, a.value, a.len))
			return judge_refuse_value(j, "query", a.value, a.len);
	}
	return known || refuse_unknown(j, "query");
}

/* Time. */

static uint64_t distance(int64_t a, int64_t b)
{
	return a > b ? (uint64_t)a - (uint64_t)b : (uint64_t)b - (uint64_t)a;
}

/* Gives the latest time the request is dated; now if it is not dated at all. */
static bool skew_fits(const struct judge *j, int64_t *dated)
{
	struct attr_view it = j->rq->facts;
	struct attr a;
	bool known = false;
	int64_t t;

	*dated = j->now;
	while (attr_next(&it, &a)) {
		if (!attr_named(&a, "time"))
			continue;
		if (!grant_time_read(&a, &t))
			return judge_refuse(
				j, "the time the request is dated cannot "
				   "be read");
		if (j->g->max_skew != GRANT_ANY &&
		    distance(t, j->now) > j->g->max_skew)
			return judge_refuse(
				j,
				"the request is dated %llu s %s now, "
				"over its max_skew of %llu s",
				(unsigned long long)distance(t, j->now),
				t > j->now ? "after" : "before",
				(unsigned long long)j->g->max_skew);
		if (!known || t > *dated)
			*dated = t;
		known = true;
	}
	return true;
}

/* The end of what may be signed: the grant's or the credential's, INT64_MAX if
 * there is none. */
static int64_t end_of(const struct judge *j)
{
	int64_t credential = j->rq->credential_not_after;

	return credential ? MIN(credential, j->g->not_after) : j->g->not_after;
}

static bool life_fits(const struct judge *j, const struct attr *a,
		      int64_t dated)
{
	int64_t end = end_of(j);
	char text[CLOCK_TEXT];
	uint64_t life;

	if (num_duration((const char *)a->value, a->len, true, life_most,
			 &life) != OK)
		return judge_refuse(j,
				    "how long the result lives cannot be read");
	if (j->g->lifetime != GRANT_ANY && life > j->g->lifetime)
		return judge_refuse(j,
				    "the result would live %llu s, over its "
				    "lifetime of %llu s",
				    (unsigned long long)life,
				    (unsigned long long)j->g->lifetime);
	if (end == INT64_MAX ||
	    (dated <= end && life <= (uint64_t)end - (uint64_t)dated))
		return true;
	clock_format(end, text);
	return judge_refuse(j, "the result would live beyond not_after, %s",
			    text);
}

static bool lifetime_fits(const struct judge *j, int64_t dated)
{
	struct attr_view it = j->rq->facts;
	struct attr a;
	bool known = false;

	while (attr_next(&it, &a)) {
		if (!attr_named(&a, "lifetime"))
			continue;
		known = true;
		if (!life_fits(j, &a, dated))
			return false;
	}
	if (known || j->rq->reveals != CRETULA_REVEAL_BEARER)
		return true;
	if (j->g->lifetime != GRANT_ANY || end_of(j) != INT64_MAX)
		return judge_refuse(
			j, "how long the result lives is not known, and "
			   "the grant or the credential limits it");
	return true;
}

static bool facts_fit(const struct judge *j)
{
	static const enum grant_name plain[] = { GRANT_METHOD, GRANT_HOST,
						 GRANT_SERVICE, GRANT_REGION,
						 GRANT_ACTION };
	int64_t dated;

	for (size_t i = 0; i < NELEM(plain); i++)
		if (!fact_fits(j, plain[i]))
			return false;
	return path_fits(j) && query_fits(j) && skew_fits(j, &dated) &&
	       lifetime_fits(j, dated);
}

/* Proof, last: what door has to be asked for. */

struct piece grant_exe_wanted(const struct grant *g, const struct proof *p)
{
	struct span_set set = g->set[GRANT_EXE];

	for (unsigned i = 0; i < set.count; i++)
		if (proof_exe(p, set.item[i].p, set.item[i].len) ==
		    PROOF_UNKNOWN)
			return set.item[i];
	return (struct piece){ .len = 0 };
}

static enum grant_verdict exe_verdict(const struct judge *j)
{
	struct span_set set = j->g->set[GRANT_EXE];
	const struct proof *p = j->rq->proof;

	for (unsigned i = 0; i < set.count; i++)
		if (proof_exe(p, set.item[i].p, set.item[i].len) == PROOF_YES)
			return GRANT_ALLOW;
	if (grant_exe_wanted(j->g, p).len)
		return GRANT_NEEDS_EXE;
	(void)judge_refuse_value(j, "exe", j->s->exe ? j->s->exe : "(unknown)",
				 j->s->exe ? strlen(j->s->exe) : 9);
	return GRANT_DENY;
}

static enum grant_verdict proof_verdict(const struct judge *j)
{
	const struct grant *g = j->g;

	if (g->set[GRANT_EXE].count)
		return exe_verdict(j);
	if (!g->set[GRANT_UNIT].count && !g->set[GRANT_USER_UNIT].count)
		return GRANT_ALLOW;
	switch (proof_alive(j->rq->proof)) {
	case PROOF_YES:
		return GRANT_ALLOW;
	case PROOF_UNKNOWN:
		return GRANT_NEEDS_ALIVE;
	case PROOF_NO:
		break;
	}
	(void)judge_refuse(j, "the process that asked has ended");
	return GRANT_DENY;
}

enum grant_verdict grant_admits(const struct grant *g, const struct subject *s,
				const struct grant_request *rq, int64_t now,
				struct fault *why)
{
	struct judge j = { .g = g, .s = s, .rq = rq, .now = now, .why = why };

	return admission_fits(&j) ? proof_verdict(&j) : GRANT_DENY;
}

enum grant_verdict grant_match(const struct grant *g, const struct subject *s,
			       const struct grant_request *rq, int64_t now,
			       struct fault *why)
{
	struct judge j = { .g = g, .s = s, .rq = rq, .now = now, .why = why };

	if (!admission_fits(&j) || (!rq->agent && !facts_fit(&j)))
		return GRANT_DENY;
	return proof_verdict(&j);
}
