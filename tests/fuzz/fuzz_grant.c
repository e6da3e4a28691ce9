/* A grant, a subject and facts, a line each: what admins write, what door says,
 * and what a module states about what a client sent. */
#include "lib/grant_set.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool line(const char **p, size_t *left, struct attrs *a)
{
	const char *end = *left ? memchr(*p, '\n', *left) : NULL;
	size_t n = end ? (size_t)(end - *p) : *left;
	bool ok = attrs_parse_text(a, *p, n, NULL) == OK;

	n += end != NULL;
	*p += n;
	*left -= n;
	return ok;
}

/* Index and matcher agree, and questions to door come to an end. */
static void decide(struct grant_set *set, const struct grant *g,
		   const struct subject *s, struct grant_request *rq)
{
	AUTO(proof_wipe) struct proof proof = { .count = 0 };
	struct grant_decision d;
	struct fault why;

	rq->proof = &proof;
	for (unsigned i = 0; i <= PROOF_MAX + 1; i++) {
		enum grant_verdict v = grant_match(g, s, rq, 1767322800, &why);

		grants_decide(set, s, rq, 1767322800, &d);
		ENSURE(d.verdict == v);
		ENSURE(v == GRANT_DENY ||
		       grant_admits(g, s, rq, 1767322800, NULL) == v);
		if (v == GRANT_DENY || v == GRANT_ALLOW)
			return;
		proof_set(&proof, d.exe.len ? d.exe.p : NULL, d.exe.len, true,
			  i == 3);
	}
	ENSURE(proof.count > PROOF_MAX); /* the questions do not end */
}

static void judge(struct grant *g, const struct subject *s,
		  struct attr_view facts)
{
	struct grant_set *set = grant_set_new();
	char name[GRANT_CREDENTIAL_MAX + 1] = "";
	struct grant_request rq = { .credential = name,
				    .op = "sign",
				    .facts = facts };
	bool agent = grant_is_agent(g);
	struct piece first =
		g->set[agent ? GRANT_AGENT : GRANT_CREDENTIAL].item[0];

	memcpy(name, first.p, first.len);
	if (agent)
		rq = (struct grant_request){ .agent = name };
	ENSURE(grant_set_add(set, g) == OK);
	for (unsigned i = 0; i < 4; i++) {
		rq.reveals = (enum cretula_reveal)i;
		decide(set, g, s, &rq);
	}
	grant_set_free(set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(attrs_wipe) struct attrs grant = { 0 };
	AUTO(attrs_wipe) struct attrs who = { 0 };
	AUTO(attrs_wipe) struct attrs facts = { 0 };
	AUTO(subject_wipe) struct subject s = { .pid = 0 };
	const char *p = (const char *)data;
	struct grant *g = NULL;
	struct fault f = { .code = OK };

	attrs_init(&grant);
	attrs_init(&who);
	attrs_init(&facts);
	if (!line(&p, &size, &grant) || !line(&p, &size, &who) ||
	    !line(&p, &size, &facts))
		return 0;
	if (subject_parse(attrs_view(&who), &s, &f) != OK)
		return 0;
	if (grant_parse(attrs_view(&grant), &g, &f) == OK)
		judge(g, &s, attrs_view(&facts));
	else
		ENSURE(f.text[0]);
	return 0;
}
