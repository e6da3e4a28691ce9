/* Supervisor: TCP listeners, which only a gate ever reads from. */
#include "lib/listen.h"

#include "lib/num.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <nss.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	LISTEN_BACKLOG = 4096,
	HOST_MAX = 256,
};

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static enum err bad_address(const char *where, struct fault *f)
{
	return fault_set(
		f, ERR_INVALID,
		"'%s' is not an address to listen at: say "
		"127.0.0.1:7443 or [::1]:7443, port 0 for any free one",
		where);
}

static enum err address_parse(const char *where, union address *a,
			      socklen_t *len, struct fault *f)
{
	const char *colon = strrchr(where, ':');
	char host[INET6_ADDRSTRLEN + 2] = "";
	size_t n = colon ? (size_t)(colon - where) : 0;
	uint64_t port;

	*a = (union address){ 0 };
	if (!n || n >= sizeof host ||
	    num_u64(colon + 1, strlen(colon + 1), UINT16_MAX, &port) != OK)
		return bad_address(where, f);
	memcpy(host, where, n);
	if (host[0] == '[' && host[n - 1] == ']') {
		host[n - 1] = 0;
		a->v6.sin6_family = AF_INET6;
		a->v6.sin6_port = htons((uint16_t)port);
		*len = sizeof a->v6;
		if (inet_pton(AF_INET6, host + 1, &a->v6.sin6_addr) == 1)
			return OK;
		return bad_address(where, f);
	}
	a->v4.sin_family = AF_INET;
	a->v4.sin_port = htons((uint16_t)port);
	*len = sizeof a->v4;
	if (inet_pton(AF_INET, host, &a->v4.sin_addr) == 1)
		return OK;
	return bad_address(where, f);
}

static void address_format(const union address *a, char at[LISTEN_AT])
{
	char text[INET6_ADDRSTRLEN];
	bool v6 = a->any.sa_family == AF_INET6;
	const void *bytes = v6 ? (const void *)&a->v6.sin6_addr
			       : (const void *)&a->v4.sin_addr;

	ENSURE(inet_ntop(a->any.sa_family, bytes, text, sizeof text) != NULL);
	(void)snprintf(at, LISTEN_AT, v6 ? "[%s]:%u" : "%s:%u", text,
		       ntohs(v6 ? a->v6.sin6_port : a->v4.sin_port));
}

enum err listen_tcp(const char *where, int *fd, char at[LISTEN_AT],
		    struct fault *f)
{
	union address a;
	socklen_t len = 0, got = sizeof a;
	AUTO(fd_close) int s = -1;
	int on = 1;

	TRY(address_parse(where, &a, &len, f));
	s = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
		   0);
	if (s < 0 || setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) ||
	    bind(s, &a.any, len) || listen(s, LISTEN_BACKLOG) ||
	    getsockname(s, &a.any, &got))
		return fault_set(f, ERR_UNAVAILABLE,
				 "cannot listen at '%s': %s", where,
				 strerror(errno));
	address_format(&a, at);
	*fd = s;
	s = -1;
	return OK;
}

/* The resolver is told to look into files only: what a name server says is not for
 * a process with all privileges to read. */
char *listen_host_name(void)
{
	struct addrinfo hint = { .ai_family = AF_UNSPEC,
				 .ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_CANONNAME };
	struct addrinfo *found = NULL;
	char host[HOST_MAX] = "localhost";
	char *name;

	(void)!gethostname(host, sizeof host - 1);
	host[sizeof host - 1] = 0;
	if (strchr(host, '.') || __nss_configure_lookup("hosts", "files") ||
	    getaddrinfo(host, NULL, &hint, &found))
		return xstrdup(host);
	name = xstrdup(found->ai_canonname ? found->ai_canonname : host);
	freeaddrinfo(found);
	return name;
}
