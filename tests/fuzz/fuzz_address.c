/* An address out of a stranger's DNS answer: what may be dialled is nothing that is
 * forbidden, however it is written. */
#include "lib/address.h"

#include <arpa/inet.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const struct address *a)
{
	const struct address_own own = { .list = NULL };
	bool allowed = address_check(a, false, &own, NULL) == OK;
	struct address again, inner;
	struct sockaddr_storage s;
	char text[ADDRESS_TEXT];
	uint8_t b[ADDRESS_SIZE];

	address_format(a, text);
	ENSURE(inet_pton(a->v6 ? AF_INET6 : AF_INET, text, b) == 1);
	ENSURE(!memcmp(a->byte, b, a->v6 ? ADDRESS_SIZE : 4));
	(void)address_sockaddr(a, 443, &s);
	ENSURE(address_of_sockaddr((const struct sockaddr *)&s, &again) == OK);
	ENSURE(address_same(a, &again));
	ENSURE(allowed <= (address_class(a) == ADDRESS_OTHER));
	/* loopback=yes opens nothing but loopback */
	ENSURE((address_check(a, true, &own, NULL) == OK) ==
	       (allowed || address_class(a) == ADDRESS_LOOPBACK));
	if (address_inner(a, &inner))
		ENSURE(allowed <= (address_class(&inner) == ADDRESS_OTHER));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct address a;

	if (address_of_bytes(data, size, &a) == OK)
		look(&a);
	else
		ENSURE(size != 4 && size != ADDRESS_SIZE);
	return 0;
}
