/* Whom to ask, from a URL. Holds nothing. */
#include "lib/web.h"

#include "lib/num.h"

#include <stdio.h>
#include <string.h>

enum {
	PORT_HTTP = 80,
	PORT_HTTPS = 443,
	URL_MAX = WEB_HOST + 32 + WEB_PATH_MAX,
};

static enum err no_place(const char *scheme, const char *url, struct fault *f)
{
	return fault_set(f, ERR_INVALID,
			 "'%s' is not where a CA is: that is %s://HOST:PORT",
			 url, scheme);
}

static bool host_ok(const char *p, size_t n)
{
	return n && n < WEB_HOST &&
	       strspn(p, "abcdefghijklmnopqrstuvwxyz"
			 "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			 "0123456789.-_:") >= n;
}

/* HOST or [ADDRESS]; *rest: what follows. */
static bool take_host(const char *at, struct web_place *p, const char **rest)
{
	bool address = *at == '[';
	size_t n = strcspn(at += address, address ? "]" : ":/");

	if (!host_ok(at, n) || (address && at[n] != ']'))
		return false;
	memcpy(p->host, at, n);
	p->host[n] = 0;
	*rest = at + n + address;
	return true;
}

static bool take_port(const char **at, uint16_t *port)
{
	uint64_t v = *port;
	size_t n;

	if (**at != ':')
		return true;
	n = strspn(++*at, "0123456789");
	if (num_u64(*at, n, UINT16_MAX, &v) != OK || !v)
		return false;
	*at += n;
	*port = (uint16_t)v;
	return true;
}

/* *rest: what follows the port. */
static bool take_place(const char *scheme, const char *url, struct web_place *p,
		       const char **rest)
{
	const size_t n = strlen(scheme);
	bool address;

	p->port = !strcmp(scheme, "http") ? PORT_HTTP : PORT_HTTPS;
	if (strncmp(url, scheme, n) != 0 || strncmp(url + n, "://", 3) != 0 ||
	    !take_host(url + n + 3, p, rest) || !take_port(rest, &p->port))
		return false;
	address = strchr(p->host, ':') != NULL;
	(void)snprintf(p->url, sizeof p->url, "%s://%s%s%s:%u", scheme,
		       address ? "[" : "", p->host, address ? "]" : "",
		       p->port);
	return true;
}

enum err web_place_parse(const char *scheme, const char *url,
			 struct web_place *p, struct fault *f)
{
	struct web_place q = { .port = 0 };
	const char *rest;

	if (!take_place(scheme, url, &q, &rest) ||
	    (strcmp(rest, "") != 0 && strcmp(rest, "/") != 0))
		return no_place(scheme, url, f);
	*p = q;
	return OK;
}

/* What may stand in a request line as it is. */
static bool path_ok(const char *path)
{
	for (const char *c = path; *c; c++)
		if (*c <= ' ' || *c >= 0x7f || strchr("#\"<>\\^`{|}", *c))
			return false;
	return strlen(path) < WEB_PATH_MAX && (!*path || *path == '/');
}

enum err web_url_parse(const char *scheme, struct span url, struct web_place *p,
		       char path[WEB_PATH_MAX], struct fault *f)
{
	struct web_place q = { .port = 0 };
	char text[URL_MAX];
	const char *rest;

	if (url.n >= sizeof text || (url.n && memchr(url.p, 0, url.n)))
		return fault_set(f, ERR_INVALID, "a URL of %zu bytes", url.n);
	if (url.n)
		memcpy(text, url.p, url.n);
	text[url.n] = 0;
	if (!take_place(scheme, text, &q, &rest) || !path_ok(rest))
		return fault_set(f, ERR_INVALID,
				 "'%s' is no URL that is asked: that is "
				 "%s://HOST[:PORT]/PATH",
				 text, scheme);
	*p = q;
	(void)snprintf(path, WEB_PATH_MAX, "%s", *rest ? rest : "/");
	return OK;
}
