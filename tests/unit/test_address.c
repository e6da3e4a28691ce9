/* Which addresses may be dialled. */
#include "lib/address.h"

#include "tests/unit/unit.h"

#include <arpa/inet.h>

static struct address address(const char *text)
{
	struct address a;
	uint8_t b[ADDRESS_SIZE];
	bool v6 = strchr(text, ':');

	assert_int_equal(inet_pton(v6 ? AF_INET6 : AF_INET, text, b), 1);
	assert_int_equal(address_of_bytes(b, v6 ? 16 : 4, &a), OK);
	return a;
}

static const struct {
	const char *text;
	enum address_class class;
} classes[] = {
	{ "0.0.0.0", ADDRESS_UNSPECIFIED },
	{ "0.255.255.255", ADDRESS_UNSPECIFIED },
	{ "1.0.0.0", ADDRESS_OTHER },
	{ "10.0.0.1", ADDRESS_OTHER },
	{ "100.100.100.199", ADDRESS_OTHER },
	{ "100.100.100.200", ADDRESS_METADATA },
	{ "126.255.255.255", ADDRESS_OTHER },
	{ "127.0.0.0", ADDRESS_LOOPBACK },
	{ "127.0.0.1", ADDRESS_LOOPBACK },
	{ "127.255.255.255", ADDRESS_LOOPBACK },
	{ "128.0.0.0", ADDRESS_OTHER },
	{ "168.63.129.16", ADDRESS_METADATA },
	{ "169.253.255.255", ADDRESS_OTHER },
	{ "169.254.0.0", ADDRESS_LINK_LOCAL },
	{ "169.254.169.254", ADDRESS_LINK_LOCAL },
	{ "169.254.255.255", ADDRESS_LINK_LOCAL },
	{ "169.255.0.0", ADDRESS_OTHER },
	{ "172.16.0.1", ADDRESS_OTHER },
	{ "192.0.0.1", ADDRESS_RESERVED },
	{ "192.0.0.192", ADDRESS_METADATA },
	{ "192.0.1.0", ADDRESS_OTHER },
	{ "192.168.1.1", ADDRESS_OTHER },
	{ "223.255.255.255", ADDRESS_OTHER },
	{ "224.0.0.0", ADDRESS_MULTICAST },
	{ "239.255.255.255", ADDRESS_MULTICAST },
	{ "240.0.0.0", ADDRESS_RESERVED },
	{ "255.255.255.254", ADDRESS_RESERVED },
	{ "255.255.255.255", ADDRESS_BROADCAST },
	{ "::", ADDRESS_UNSPECIFIED },
	{ "::1", ADDRESS_LOOPBACK },
	{ "::2", ADDRESS_RESERVED },
	{ "::127.0.0.1", ADDRESS_RESERVED },
	{ "::ffff:127.0.0.1", ADDRESS_LOOPBACK },
	{ "::ffff:169.254.169.254", ADDRESS_LINK_LOCAL },
	{ "::ffff:0.0.0.0", ADDRESS_UNSPECIFIED },
	{ "::ffff:192.0.2.1", ADDRESS_OTHER },
	{ "64:ff9b::192.0.2.1", ADDRESS_OTHER },
	{ "64:ff9b:1::192.0.2.1", ADDRESS_RESERVED },
	{ "100::1", ADDRESS_OTHER },
	{ "2001::1", ADDRESS_RESERVED },
	{ "2001:1::1", ADDRESS_OTHER },
	{ "2001:db8::1", ADDRESS_OTHER },
	{ "fc00::1", ADDRESS_OTHER },
	{ "fd00:ec2::254", ADDRESS_METADATA },
	{ "fd00:ec3::254", ADDRESS_OTHER },
	{ "fd20:ce::254", ADDRESS_METADATA },
	{ "fd20:ce::253", ADDRESS_OTHER },
	{ "fe7f:ffff::", ADDRESS_OTHER },
	{ "fe80::1", ADDRESS_LINK_LOCAL },
	{ "febf:ffff::", ADDRESS_LINK_LOCAL },
	{ "fec0::1", ADDRESS_RESERVED },
	{ "ff02::1", ADDRESS_MULTICAST },
};

static const struct address_own nothing = { .list = NULL };

static void test_every_class(void **state)
{
	(void)state;
	for (size_t i = 0; i < NELEM(classes); i++) {
		struct address a = address(classes[i].text);

		if (address_class(&a) != classes[i].class)
			fail_msg("%s is %s", classes[i].text,
				 address_class_text(address_class(&a)));
	}
}

static void test_only_others_may_be_dialled(void **state)
{
	(void)state;
	for (size_t i = 0; i < NELEM(classes); i++) {
		struct address a = address(classes[i].text);
		struct fault f;
		enum err e = address_check(&a, false, &nothing, &f);

		if (classes[i].class == ADDRESS_OTHER) {
			assert_int_equal(e, OK);
			continue;
		}
		assert_int_equal(e, ERR_DENIED);
		assert_non_null(
			strstr(f.text, address_class_text(classes[i].class)));
	}
}

static void test_loopback_allows_loopback_alone(void **state)
{
	(void)state;
	for (size_t i = 0; i < NELEM(classes); i++) {
		struct address a = address(classes[i].text);
		enum err e = address_check(&a, true, &nothing, NULL);

		assert_int_equal(e == OK,
				 classes[i].class == ADDRESS_OTHER ||
					 classes[i].class == ADDRESS_LOOPBACK);
	}
}

/* Translators and tunnels to what may not be dialled, also with loopback. */
static void test_disguises(void **state)
{
	static const char *const no[] = {
		"64:ff9b::127.0.0.1",
		"64:ff9b::169.254.169.254",
		"64:ff9b::0.0.0.0",
		"64:ff9b::255.255.255.255",
		"2002:7f00:1::",
		"2002:a9fe:a9fe::1",
		"2002:e000:1::5",
		"::ffff:0:127.0.0.1",
		"::ffff:0:10.0.0.7",
		"2001:db8::5efe:127.0.0.1",
		"2001:db8::200:5efe:169.254.169.254",
		"2002:a00:7::1",
		"64:ff9b::10.0.0.7",
	};
	static const char *const yes[] = {
		"64:ff9b::192.0.2.1", "2002:c000:201::1", "::ffff:0:192.0.2.1",
		"2001:db8::5efe:192.0.2.1", "64:ff9b::10.0.0.8"
	};
	struct address mine = address("10.0.0.7");
	struct address_own own = { .list = &mine, .n = 1 };

	(void)state;
	for (size_t i = 0; i < NELEM(no); i++) {
		struct address a = address(no[i]);

		if (address_check(&a, true, &own, NULL) != ERR_DENIED)
			fail_msg("%s", no[i]);
	}
	for (size_t i = 0; i < NELEM(yes); i++) {
		struct address a = address(yes[i]);

		if (address_check(&a, false, &own, NULL) != OK)
			fail_msg("%s", yes[i]);
	}
}

static void test_our_own_are_refused(void **state)
{
	struct address mine[] = { address("10.0.0.7"), address("2001:db8::7") };
	struct address_own own = { .list = mine, .n = NELEM(mine) };
	struct address a = address("::ffff:10.0.0.7");
	struct fault f;

	(void)state;
	assert_int_equal(address_check(&a, true, &own, &f), ERR_DENIED);
	assert_string_equal(f.text, "'10.0.0.7' is an address of this machine");
	assert_int_equal(address_check(&mine[1], false, &own, &f), ERR_DENIED);
	a = address("10.0.0.8");
	assert_int_equal(address_check(&a, false, &own, &f), OK);
}

static void test_what_the_kernel_says_is_ours(void **state)
{
	struct address_own own;
	struct address lo = address("127.0.0.1"), not = address("192.0.2.77");
	struct fault f;

	(void)state;
	assert_int_equal(address_own_read(&own, &f), OK);
	assert_true(own.n > 0);
	assert_true(address_own_has(&own, &lo));
	assert_false(address_own_has(&own, &not ));
	address_own_wipe(&own);
	address_own_wipe(&own);
}

static void test_forms_of_an_address(void **state)
{
	struct address a = address("::ffff:192.0.2.1"), b;
	struct sockaddr_storage s;
	struct sockaddr un = { .sa_family = AF_UNIX };
	char text[ADDRESS_TEXT];

	(void)state;
	assert_false(a.v6);
	address_format(&a, text);
	assert_string_equal(text, "192.0.2.1");
	assert_int_equal(address_sockaddr(&a, 443, &s),
			 sizeof(struct sockaddr_in));
	assert_int_equal(address_of_sockaddr((struct sockaddr *)&s, &b), OK);
	assert_true(address_same(&a, &b));
	a = address("2001:db8::1");
	assert_int_equal(address_sockaddr(&a, 443, &s),
			 sizeof(struct sockaddr_in6));
	assert_int_equal(address_of_sockaddr((struct sockaddr *)&s, &b), OK);
	assert_true(address_same(&a, &b));
	assert_int_equal(address_of_sockaddr(&un, &b), ERR_UNSUPPORTED);
	for (size_t n = 0; n < 20; n++)
		if (n != 4 && n != 16)
			assert_int_equal(
				address_of_bytes("0123456789abcdefghij", n, &b),
				ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_class),
		cmocka_unit_test(test_only_others_may_be_dialled),
		cmocka_unit_test(test_loopback_allows_loopback_alone),
		cmocka_unit_test(test_disguises),
		cmocka_unit_test(test_our_own_are_refused),
		cmocka_unit_test(test_what_the_kernel_says_is_ours),
		cmocka_unit_test(test_forms_of_an_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
