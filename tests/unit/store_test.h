/* What the tests of rows, slots and the store share: bytes from hex, a head, lists
 * from text. */
#ifndef TESTS_STORE_TEST_H
#define TESTS_STORE_TEST_H

#include "lib/enc.h"
#include "lib/row.h"

#include "tests/unit/kat_store.h"
#include "tests/unit/unit.h"

/* Known bytes, malloc'd; *len their number. */
static inline uint8_t *known(const char *hex, size_t *len)
{
	size_t n = strlen(hex) / 2;
	uint8_t *p = xcalloc(1, n);

	assert_int_equal(enc_hex_parse(hex, 2 * n, p, n), OK);
	if (len)
		*len = n;
	return p;
}

static inline struct row_head head_of(enum row_table t, uint64_t row,
				      const char *name, uint64_t generation)
{
	struct row_head h = {
		.table = t, .row = row, .version = 3, .generation = generation
	};

	assert_int_equal(row_head_name(&h, name, "hmac"), OK);
	return h;
}

/* The head of the known rows. */
static inline struct row_head known_head(void)
{
	return head_of(ROW_CREDENTIAL, 12, "prod", 41);
}

static inline void list_of(struct attrs *a, const char *text)
{
	struct fault f;

	assert_int_equal(attrs_parse_text(a, text, strlen(text), &f), OK);
}

#endif
