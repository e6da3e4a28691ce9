/* Worker without a credential: tells policy what a parsed request is. */
#include "modules/aws-sigv4/sigv4.h"

#include <stdio.h>

static enum cretula_result state(const struct job *j, const char *name,
				 struct str v)
{
	return j->host->fact(j->call, name, v.n ? (const void *)v.p : "", v.n);
}

static enum cretula_result state_number(const struct job *j, const char *name,
					int64_t v)
{
	char text[24];
	int n = snprintf(text, sizeof text, "%lld", (long long)v);

	return j->host->fact(j->call, name, text, (size_t)n);
}

/* One fact a parameter, NAME=VALUE as it is signed; an empty one says there is none. */
static enum cretula_result query_state(const struct job *j,
				       const struct request *r)
{
	if (!r->pairs)
		return state(j, "query", STR(""));
	for (size_t i = 0; i < r->pairs; i++) {
		const struct pair *q = &r->pair[i];
		struct pen w = pen_on(j->arena, q->name.n + q->value.n + 1);

		pen_str(&w, q->name);
		pen_byte(&w, '=');
		pen_str(&w, q->value);
		DO(state(j, "query", pen_done(&w)));
	}
	return CRETULA_OK;
}

enum cretula_result facts_state(const struct job *j, const struct request *r)
{
	struct str action = action_find(j, r);
	bool open = r->payload == PAYLOAD_UNSIGNED;

	DO(state(j, "service", r->service));
	DO(state(j, "region", r->region));
	if (action.n)
		DO(state(j, "action", action));
	DO(state(j, "method", r->method));
	DO(state(j, "host", r->host));
	DO(state(j, "path", r->path));
	if (r->path_sent.n) /* whoever routes by it must not be led astray */
		DO(state(j, "path", r->path_sent));
	DO(query_state(j, r));
	DO(state_number(j, "time", r->time));
	if (r->presign)
		DO(state_number(j, "lifetime", r->expires));
	DO(state(j, "normalises", r->s3 ? STR("no") : STR("yes")));
	return state(j, "payload", open ? STR("unsigned") : STR("signed"));
}
