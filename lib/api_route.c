/* gate: the paths of each daemon, and the call that is made for each. Holds nothing.
 * docs/openapi/DAEMON.json describes them; tests/e2e/test_gate_openapi.py compares. */
#include "lib/api.h"

#include "lib/enc.h"
#include "lib/gate_openapi.h"
#include "lib/json_list.h"

#include <stdio.h>
#include <string.h>

#define JSON_TYPE "application/json"

/* clang-format off */
#define GET(at, name)                                                          \
	{ .path = at, .methods = GATE_GET, .verb = name, .run = api_call_run }
#define POST(at, name)                                                         \
	{ .path = at, .methods = GATE_POST, .body_max = API_BODY_MAX,          \
	  .type = JSON_TYPE, .verb = name, .run = api_call_run }
#define PAGE(at, page) { .path = at, .methods = GATE_GET, .run = page }
#define PAGES                                                                  \
	PAGE("/healthz", api_page_health), PAGE("/readyz", api_page_ready),    \
	PAGE("/metrics", api_page_metrics),                                    \
	PAGE("/openapi.json", gate_openapi_run)

static const struct gate_route credd_routes[] = {
	/* what is asked most first */
	POST("/v1/modules/*/operations/*/*", "run"),
	POST("/modules/*/operations/*/*", "run"),
	POST("/v1/verbs/*", "any"),
	GET("/v1/credentials", "credentials"),
	GET("/credentials", "credentials"),
	GET("/v1/modules", "modules"),
	GET("/modules", "modules"),
	GET("/v1/modules/*/operations", "operations"),
	GET("/modules/*/operations", "operations"),
	GET("/v1/transport", "transport"),
	PAGES,
};

static const struct gate_route certmgr_routes[] = {
	POST("/v1/verbs/*", "any"),
	GET("/v1/agents", "agents"),
	GET("/v1/agents/*", "agent"),
	POST("/v1/agents/*/renew", "renew"),
	POST("/v1/agents/*/revoke", "revoke"),
	PAGES,
};
/* clang-format on */

static const struct api_form forms[] = {
	{ .name = "run",
	  .verb = "run",
	  .var = { "module", "op", "credential" },
	  .body = API_REQUEST,
	  .arrays = " header query drop_header drop_query " },
	{ .name = "any", .body = API_PAIRS },
	{ .name = "credentials",
	  .verb = "credentials",
	  .items = "credentials",
	  .arrays = " op " },
	{ .name = "modules",
	  .verb = "modules",
	  .items = "modules",
	  .arrays = " operation " },
	{ .name = "operations",
	  .verb = "modules",
	  .items = "operations",
	  .one_module = true },
	{ .name = "transport", .verb = "transport" },
	{ .name = "agents",
	  .verb = "agent.list",
	  .query = " type ",
	  .items = "agents" },
	{ .name = "agent",
	  .verb = "agent.show",
	  .var = { "agent" },
	  .arrays = " name uri old_serial " },
	{ .name = "renew",
	  .verb = "agent.renew",
	  .var = { "agent" },
	  .body = API_MEMBERS },
	{ .name = "revoke",
	  .verb = "agent.revoke",
	  .var = { "agent" },
	  .body = API_MEMBERS },
};

const struct gate_route *api_routes(size_t *count)
{
	bool credd = !strcmp(api.daemon, "credd");

	*count = credd ? NELEM(credd_routes) : NELEM(certmgr_routes);
	return credd ? credd_routes : certmgr_routes;
}

const struct api_form *api_form_of(const struct api_conn *c)
{
	size_t i = 0;

	while (strcmp(forms[i].name, c->http.route->verb))
		i++;
	return &forms[i];
}

/* The path */

static enum err decode(struct rd *r, char *out)
{
	const uint8_t *hex;
	uint8_t b = 0;

	TRY(rd_u8(r, &b));
	if (b == '%') {
		TRY(rd_bytes(r, 2, &hex));
		TRY(enc_hex_parse((const char *)hex, 2, &b, 1));
	}
	*out = (char)b;
	return b ? OK : ERR_INVALID;
}

static enum err decode_all(struct span from, const char *what,
			   char out[API_NAME_MAX + 1], struct fault *f)
{
	struct rd r = span_rd(from);
	size_t n = 0;

	while (rd_left(&r)) {
		if (n == API_NAME_MAX)
			return fault_set(f, ERR_TOO_LARGE,
					 "%s is over %d bytes", what,
					 API_NAME_MAX);
		if (decode(&r, &out[n++]) != OK)
			return fault_set(f, ERR_INVALID,
					 "%s has a '%%' that is not followed "
					 "by two hex digits, or that means NUL",
					 what);
	}
	out[n] = 0;
	if (!enc_utf8_ok(out, n))
		return fault_set(f, ERR_INVALID, "%s is not UTF-8", what);
	return OK;
}

enum err api_var(const struct api_conn *c, unsigned i,
		 char out[API_NAME_MAX + 1], struct fault *f)
{
	return decode_all(c->http.var[i], "a segment of the path", out, f);
}

static enum err add_var(const struct api_conn *c, unsigned i, const char *name,
			struct attrs *out, struct fault *f)
{
	char value[API_NAME_MAX + 1];

	TRY(api_var(c, i, value, f));
	return attrs_add_str(out, name, value);
}

static enum err add_path(const struct api_conn *c, const struct api_form *form,
			 struct attrs *out, struct fault *f)
{
	if (!form->verb)
		return add_var(c, 0, "verb", out, f);
	TRY(attrs_add_str(out, "verb", form->verb));
	for (unsigned i = 0; i < GATE_VARS && form->var[i]; i++)
		TRY(add_var(c, i, form->var[i], out, f));
	return OK;
}

/* The query: what is not known is refused, as it may be a misspelt limit. */

struct query {
	const char *names;
	struct attrs *out;
	struct fault *f;
	enum err e;
};

static enum err add_query(struct query *q, const char *name, const char *value)
{
	char text[API_NAME_MAX + 1], wanted[ATTR_NAME_MAX + 3];

	(void)snprintf(wanted, sizeof wanted, " %.*s ", ATTR_NAME_MAX, name);
	if (!q->names || !attr_name_ok(name, strlen(name)) ||
	    !strstr(q->names, wanted))
		return fault_set(q->f, ERR_INVALID,
				 "the query has '%.*s', which this path does "
				 "not take",
				 ATTR_NAME_MAX, name);
	if (!value)
		return fault_set(q->f, ERR_INVALID,
				 "'%s' has no value in the query", name);
	TRY(decode_all(span_str(value), "a value of the query", text, q->f));
	return attrs_add_str(q->out, name, text);
}

static enum MHD_Result each_query(void *cls, enum MHD_ValueKind kind,
				  const char *name, const char *value)
{
	struct query *q = cls;

	(void)kind;
	q->e = add_query(q, name, value);
	return q->e == OK ? MHD_YES : MHD_NO;
}

static enum err add_queries(const struct api_conn *c,
			    const struct api_form *form, struct attrs *out,
			    struct fault *f)
{
	struct query q = { form->query, out, f, OK };

	(void)MHD_get_connection_values(c->http.mhd, MHD_GET_ARGUMENT_KIND,
					each_query, &q);
	return q.e;
}

/* The body */

static enum err add_request(const struct buf *body, struct attrs *out,
			    struct fault *f)
{
	AUTO(attrs_wipe) struct attrs request = { 0 };

	attrs_init(&request);
	TRY(json_list_parse(body->p, body->len, &request, f));
	if (attrs_add(out, "request", 0, request.bytes.p, request.bytes.len) !=
	    OK)
		return fault_set(f, ERR_TOO_LARGE, "the request is over 1 MiB");
	return OK;
}

/* What the path says already the body cannot say once more. */
static enum err check_twice(struct attr_view path, struct attr_view v,
			    struct fault *f)
{
	char name[ATTR_NAME_MAX + 1];
	struct attr a;

	while (attr_next(&path, &a)) {
		memcpy(name, a.name, a.name_len);
		name[a.name_len] = 0;
		if (attr_count(v, name))
			return fault_set(f, ERR_INVALID,
					 "'%s' is in the path: it has no place "
					 "in the body",
					 name);
	}
	return OK;
}

static enum err add_members(const struct buf *body, bool pairs,
			    struct attrs *out, struct fault *f)
{
	AUTO(attrs_wipe) struct attrs in = { 0 };

	attrs_init(&in);
	if (pairs)
		TRY(json_pairs_parse(body->p, body->len, &in, f));
	else
		TRY(json_list_parse(body->p, body->len, &in, f));
	TRY(check_twice(attrs_view(out), attrs_view(&in), f));
	if (attrs_add_view(out, attrs_view(&in)) != OK)
		return fault_set(f, ERR_TOO_LARGE, "the call is over 1 MiB");
	return OK;
}

enum err api_call_make(const struct api_conn *c, struct attrs *out,
		       struct fault *f)
{
	const struct api_form *form = api_form_of(c);

	TRY(add_path(c, form, out, f));
	TRY(add_queries(c, form, out, f));
	switch (form->body) {
	case API_NO_BODY:
		return OK;
	case API_REQUEST:
		return add_request(&c->http.body, out, f);
	case API_MEMBERS:
	case API_PAIRS:
		return add_members(&c->http.body, form->body == API_PAIRS, out,
				   f);
	}
	UNREACHABLE("a body");
}
