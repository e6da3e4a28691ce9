/* gate: the route of a path. What varies in it is passed on as it was sent. Holds
 * nothing. */
#include "lib/gate_part.h"

#include <string.h>

static bool var_add(struct gate_conn *c, const char *p, size_t n)
{
	ENSURE(c->vars < GATE_VARS);
	c->var[c->vars++] = span_of(p, n);
	return true;
}

static bool rest_is(struct gate_conn *c, const char *tail, const char *url)
{
	size_t n = strlen(url), end = strlen(tail);

	return n >= end && !strcmp(url + n - end, tail) &&
	       var_add(c, url, n - end);
}

/* Up to a `*` byte by byte, at one what it stands for. */
static bool path_is(struct gate_conn *c, const char *path, const char *url)
{
	c->vars = 0;
	for (;;) {
		size_t n = strcspn(path, "*");

		if (strncmp(url, path, n))
			return false;
		path += n;
		url += n;
		if (!*path)
			return !*url;
		if (path[1] == '*')
			return rest_is(c, path + 2, url);
		n = strcspn(url, "/");
		if (!n)
			return false;
		(void)var_add(c, url, n);
		path++;
		url += n;
	}
}

const struct gate_route *gate_route_of(struct gate_conn *c, const char *url)
{
	const struct gate_route *r = gate.ops->routes;

	for (size_t i = 0; i < gate.ops->count; i++, r++)
		if ((!r->ports || r->ports & c->port->kind) &&
		    path_is(c, r->path, url))
			return r;
	c->vars = 0;
	return NULL;
}
