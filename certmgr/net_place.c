/* net: where the CA is, from its URL. Holds nothing. */
#include "certmgr/net.h"

#include "lib/num.h"

#include <stdio.h>
#include <string.h>

enum {
	PORT_PRESET = 443,
};

static const char scheme[] = "https://";

static enum err no_place(const char *url, struct fault *f)
{
	return fault_set(f, ERR_INVALID,
			 "'%s' is not where a CA is: that is https://HOST:PORT",
			 url);
}

static bool host_ok(const char *p, size_t n)
{
	return n && n < NET_HOST &&
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

enum err web_place_parse(const char *url, struct web_place *p, struct fault *f)
{
	struct web_place q = { .port = PORT_PRESET };
	uint64_t port = PORT_PRESET;
	const char *rest;
	bool address;
	size_t n;

	if (strncmp(url, scheme, strlen(scheme)) ||
	    !take_host(url + strlen(scheme), &q, &rest))
		return no_place(url, f);
	if (*rest == ':') {
		n = strspn(++rest, "0123456789");
		if (num_u64(rest, n, UINT16_MAX, &port) != OK || !port)
			return no_place(url, f);
		rest += n;
	}
	if (strcmp(rest, "") && strcmp(rest, "/"))
		return no_place(url, f);
	q.port = (uint16_t)port;
	address = strchr(q.host, ':') != NULL;
	(void)snprintf(q.url, sizeof q.url, "%s%s%s%s:%u", scheme,
		       address ? "[" : "", q.host, address ? "]" : "", q.port);
	*p = q;
	return OK;
}
