/* This machine's own addresses (lib/address.h), asked of the kernel by netlink, which
 * answers at once. Used by ca's dialer; holds nothing. */
#include "lib/address.h"

#include <errno.h>
#include <ifaddrs.h>
#include <stdlib.h>
#include <string.h>

static enum err own_add(struct address_own *own, const struct sockaddr *s,
			struct fault *f)
{
	struct address a;

	if (!s || address_of_sockaddr(s, &a) != OK)
		return OK;
	if (own->n == ADDRESS_OWN_MAX)
		return fault_set(f, ERR_UNAVAILABLE,
				 "this machine has over %d addresses",
				 ADDRESS_OWN_MAX);
	own->list = xrealloc(own->list, (own->n + 1) * sizeof *own->list);
	own->list[own->n++] = a;
	return OK;
}

enum err address_own_read(struct address_own *own, struct fault *f)
{
	struct address_own now = { .list = NULL };
	struct ifaddrs *all;
	enum err e = OK;

	if (getifaddrs(&all))
		return fault_set(f, ERR_UNAVAILABLE,
				 "this machine's addresses cannot be read: %s",
				 strerror(errno));
	for (const struct ifaddrs *i = all; e == OK && i; i = i->ifa_next)
		e = own_add(&now, i->ifa_addr, f);
	freeifaddrs(all);
	if (e != OK) {
		address_own_wipe(&now);
		return e;
	}
	*own = now;
	return OK;
}

void address_own_wipe(struct address_own *own)
{
	free(own->list);
	*own = (struct address_own){ .list = NULL };
}

bool address_own_has(const struct address_own *own, const struct address *a)
{
	for (size_t i = 0; i < own->n; i++)
		if (address_same(&own->list[i], a))
			return true;
	return false;
}
