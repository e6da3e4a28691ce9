/* Which addresses may be dialled (lib/address.h). Used by ca's dialer; holds
 * nothing. */
#include "lib/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum {
	V4_SIZE = 4
};

/* A prefix and what is below it; the first that matches counts. */
struct range {
	uint8_t byte[ADDRESS_SIZE];
	uint8_t bits;
	enum address_class class;
};

static const struct range v4_ranges[] = {
	{ { 0 }, 8, ADDRESS_UNSPECIFIED },
	{ { 127 }, 8, ADDRESS_LOOPBACK },
	{ { 169, 254 }, 16, ADDRESS_LINK_LOCAL },
	{ { 100, 100, 100, 200 }, 32, ADDRESS_METADATA }, /* Alibaba */
	{ { 168, 63, 129, 16 }, 32, ADDRESS_METADATA },   /* Azure */
	{ { 192, 0, 0, 192 }, 32, ADDRESS_METADATA },     /* Oracle */
	{ { 192, 0, 0 }, 24, ADDRESS_RESERVED },
	{ { 224 }, 4, ADDRESS_MULTICAST },
	{ { 255, 255, 255, 255 }, 32, ADDRESS_BROADCAST },
	{ { 240 }, 4, ADDRESS_RESERVED },
};

static const struct range v6_ranges[] = {
	{ { 0 }, 128, ADDRESS_UNSPECIFIED },
	{ { [15] = 1 }, 128, ADDRESS_LOOPBACK },
	{ { 0xfe, 0x80 }, 10, ADDRESS_LINK_LOCAL },
	{ { 0xfe, 0xc0 }, 10, ADDRESS_RESERVED },
	/* Amazon, Google */
	{ { 0xfd, 0x00, 0x0e, 0xc2 }, 32, ADDRESS_METADATA },
	{ { 0xfd, 0x20, 0x00, 0xce, [14] = 2, [15] = 0x54 },
	  128,
	  ADDRESS_METADATA },
	{ { 0xff }, 8, ADDRESS_MULTICAST },
	/* translators: judged by what is in them */
	{ { 0x00, 0x64, 0xff, 0x9b }, 96, ADDRESS_OTHER },
	{ { [8] = 0xff, [9] = 0xff }, 96, ADDRESS_OTHER },
	/* … but for the prefix whose user chooses where it is (RFC 8215), the
	 * compatible ones (RFC 4291, 2.5.5.1) and what else is there */
	{ { 0 }, 8, ADDRESS_RESERVED },
	{ { 0x20, 0x01 }, 32, ADDRESS_RESERVED }, /* Teredo */
};

static const char *const class_text[] = {
	[ADDRESS_OTHER] = "an ordinary address",
	[ADDRESS_UNSPECIFIED] = "an unspecified address",
	[ADDRESS_LOOPBACK] = "a loopback address",
	[ADDRESS_LINK_LOCAL] = "a link-local address",
	[ADDRESS_METADATA] = "a cloud's metadata service",
	[ADDRESS_MULTICAST] = "a multicast address",
	[ADDRESS_BROADCAST] = "the broadcast address",
	[ADDRESS_RESERVED] = "a reserved address",
};

_Static_assert(NELEM(class_text) == ADDRESS__MAX, "every class has a text");

const char *address_class_text(enum address_class c)
{
	ENSURE((unsigned)c < ADDRESS__MAX);
	return class_text[c];
}

static struct address v4(const uint8_t *p)
{
	struct address a = { .v6 = false };

	memcpy(a.byte, p, V4_SIZE);
	return a;
}

enum err address_of_bytes(const void *p, size_t len, struct address *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	const uint8_t *b = p;

	if (len == V4_SIZE) {
		*a = v4(b);
		return OK;
	}
	if (len != ADDRESS_SIZE)
		return ERR_INVALID;
	if (!memcmp(b, mapped, sizeof mapped)) {
		*a = v4(b + sizeof mapped);
		return OK;
	}
	a->v6 = true;
	memcpy(a->byte, b, ADDRESS_SIZE);
	return OK;
}

enum err address_of_sockaddr(const struct sockaddr *s, struct address *a)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (s->sa_family == AF_INET) {
		memcpy(&in, s, sizeof in);
		return address_of_bytes(&in.sin_addr, V4_SIZE, a);
	}
	if (s->sa_family != AF_INET6)
		return ERR_UNSUPPORTED;
	memcpy(&in6, s, sizeof in6);
	return address_of_bytes(&in6.sin6_addr, ADDRESS_SIZE, a);
}

socklen_t address_sockaddr(const struct address *a, uint16_t port,
			   struct sockaddr_storage *s)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
				    .sin6_port = htons(port) };

	memset(s, 0, sizeof *s);
	if (a->v6) {
		memcpy(&in6.sin6_addr, a->byte, ADDRESS_SIZE);
		memcpy(s, &in6, sizeof in6);
		return sizeof in6;
	}
	memcpy(&in.sin_addr, a->byte, V4_SIZE);
	memcpy(s, &in, sizeof in);
	return sizeof in;
}

void address_format(const struct address *a, char text[ADDRESS_TEXT])
{
	ENSURE(inet_ntop(a->v6 ? AF_INET6 : AF_INET, a->byte, text,
			 ADDRESS_TEXT));
}

bool address_same(const struct address *a, const struct address *b)
{
	return a->v6 == b->v6 && !memcmp(a->byte, b->byte, ADDRESS_SIZE);
}

static bool range_has(const struct range *r, const struct address *a)
{
	size_t whole = r->bits / 8;
	uint8_t mask = (uint8_t)(0xff00u >> r->bits % 8);

	if (memcmp(r->byte, a->byte, whole))
		return false;
	return whole == ADDRESS_SIZE ||
	       !((r->byte[whole] ^ a->byte[whole]) & mask);
}

enum address_class address_class(const struct address *a)
{
	const struct range *r = a->v6 ? v6_ranges : v4_ranges;
	size_t n = a->v6 ? NELEM(v6_ranges) : NELEM(v4_ranges);

	for (size_t i = 0; i < n; i++)
		if (range_has(&r[i], a))
			return r[i].class;
	return ADDRESS_OTHER;
}

bool address_inner(const struct address *a, struct address *inner)
{
	static const struct range nat64 = { .byte = { 0x00, 0x64, 0xff, 0x9b },
					    .bits = 96 };
	static const struct range translated = {
		.byte = { [8] = 0xff, [9] = 0xff }, .bits = 96
	};
	static const struct range six_to_four = { .byte = { 0x20, 0x02 },
						  .bits = 16 };
	static const uint8_t isatap[] = { 0x00, 0x00, 0x5e, 0xfe };
	/* the bit that says "unique" may be set */
	uint8_t low[4] = { (uint8_t)(a->byte[8] & ~2u), a->byte[9], a->byte[10],
			   a->byte[11] };

	if (!a->v6)
		return false;
	if (range_has(&six_to_four, a)) {
		*inner = v4(a->byte + 2);
		return true;
	}
	if (!range_has(&nat64, a) && !range_has(&translated, a) &&
	    memcmp(low, isatap, sizeof low))
		return false;
	*inner = v4(a->byte + 12);
	return true;
}

static enum err refuse(const struct address *a, const char *what,
		       struct fault *f)
{
	char text[ADDRESS_TEXT];

	address_format(a, text);
	return fault_set(f, ERR_DENIED, "'%s' is %s", text, what);
}

enum err address_check(const struct address *a, bool loopback,
		       const struct address_own *own, struct fault *f)
{
	enum address_class class = address_class(a);
	struct address inner;

	if (class == ADDRESS_LOOPBACK && loopback)
		return OK;
	if (class != ADDRESS_OTHER)
		return refuse(a, address_class_text(class), f);
	if (address_own_has(own, a))
		return refuse(a, "an address of this machine", f);
	if (address_inner(a, &inner) &&
	    (address_class(&inner) != ADDRESS_OTHER ||
	     address_own_has(own, &inner)))
		return refuse(a, "a forbidden IPv4 address in disguise", f);
	return OK;
}
