/* Internet addresses: what kind one is, and whether a process of ours may connect to
 * it because a name said so. Pure but for address_own_read. */
#ifndef LIB_ADDRESS_H
#define LIB_ADDRESS_H

#include "lib/err.h"

#include <sys/socket.h>

enum {
	ADDRESS_SIZE = 16,
	ADDRESS_TEXT = 46,      /* bytes of its text, with NUL */
	ADDRESS_OWN_MAX = 4096, /* addresses of this machine */
};

/* IPv4 (4 bytes used, the others 0) or IPv6. ::ffff:a.b.c.d, which is the same
 * destination as a.b.c.d, is always kept as that. */
struct address {
	bool v6;
	uint8_t byte[ADDRESS_SIZE];
};

/* The first that applies. */
enum address_class {
	ADDRESS_OTHER,       /* any host, public or private */
	ADDRESS_UNSPECIFIED, /* 0.0.0.0/8, :: */
	ADDRESS_LOOPBACK,    /* 127.0.0.0/8, ::1 */
	ADDRESS_LINK_LOCAL,  /* 169.254.0.0/16, fe80::/10 */
	ADDRESS_METADATA, /* where clouds answer machines, outside of link-local */
	ADDRESS_MULTICAST, /* 224.0.0.0/4, ff00::/8 */
	ADDRESS_BROADCAST, /* 255.255.255.255 */
	ADDRESS_RESERVED, /* 192.0.0.0/24, 240.0.0.0/4, the rest of ::/8, fec0::/10,
			      * 64:ff9b:1::/48, Teredo */
	ADDRESS__MAX
};

/* "a loopback address", …; static. */
const char *address_class_text(enum address_class c);

/* ERR_INVALID for bytes of another length than 4 or 16. */
MUST enum err address_of_bytes(const void *p, size_t len, struct address *a);
/* ERR_UNSUPPORTED for another family than AF_INET and AF_INET6. */
MUST enum err address_of_sockaddr(const struct sockaddr *s, struct address *a);
/* Fills *s and gives its length. */
socklen_t address_sockaddr(const struct address *a, uint16_t port,
			   struct sockaddr_storage *s);
void address_format(const struct address *a, char text[ADDRESS_TEXT]);
bool address_same(const struct address *a, const struct address *b);

/* Of the address itself; of the one in it, see address_inner. */
enum address_class address_class(const struct address *a);

/* The IPv4 address that a translator or a tunnel would go to: NAT64 (64:ff9b::/96),
 * 6to4 (2002::/16), IPv4-translated, ISATAP. False: there is none that one can see
 * (a network may use a NAT64 prefix of its own). */
bool address_inner(const struct address *a, struct address *inner);

/* This machine's addresses, as the kernel has them at this moment. */
struct address_own {
	struct address *list; /* malloc'd */
	size_t n;
};

/* By netlink; ERR_UNAVAILABLE if it cannot be asked or there are too many. */
MUST enum err address_own_read(struct address_own *own, struct fault *f);
void address_own_wipe(struct address_own *own);
bool address_own_has(const struct address_own *own, const struct address *a);

/* OK if a name of strangers may lead us to a; else ERR_DENIED with a sentence.
 * loopback: loopback is allowed too, and nothing else more. */
MUST enum err address_check(const struct address *a, bool loopback,
			    const struct address_own *own, struct fault *f);

#endif
