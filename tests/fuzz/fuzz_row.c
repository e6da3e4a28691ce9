/* Rows as lists, between vault and store: what parses comes back the same. */
#include "lib/row.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(attrs_wipe) struct attrs again = { 0 };
	char label[ROW_LABEL];
	struct attr_view v;
	struct row r, back;
	enum row_table t;
	struct fault f;
	uint64_t n;

	attrs_init(&again);
	if (attr_parse(data, size, &v, &f) != OK)
		return 0;
	(void)!row_parse_place(v, &t, &n, &f);
	if (row_parse(v, &r, &f) != OK)
		return 0;
	row_label(&r.head, label);
	ENSURE(strlen(label) < ROW_LABEL);
	ENSURE(row_format(&r, &again) == OK);
	ENSURE(row_parse(attrs_view(&again), &back, &f) == OK);
	ENSURE(!memcmp(&r.head, &back.head, sizeof r.head));
	ENSURE(r.blob_len == back.blob_len);
	return 0;
}
