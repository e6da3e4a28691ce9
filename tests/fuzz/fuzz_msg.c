/* Fuzz target: the framed message, and every list inside it, as a front meets
 * them. What was read must come out the same when written again. */
#include <string.h>

#include "lib/msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const struct msg *m, const uint8_t *data, size_t used)
{
	struct buf again;

	buf_init(&again, MSG_MAX + 4);
	ENSURE(msg_put(&again, m->kind, m->id, m->attrs) == OK);
	ENSURE(again.len == used);
	ENSURE(memcmp(again.p, data, used) == 0);
	buf_wipe(&again);
}

static void walk(struct attr_view v)
{
	struct attr_view inner;
	struct fault f;
	struct attr a;

	while (attr_next(&v, &a))
		if (attr_parse(a.value, a.len, &inner, &f) == OK)
			while (attr_next(&inner, &a))
				ENSURE(attr_name_ok(a.name, a.name_len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fault f;
	struct msg m;
	size_t used;

	while (msg_get(data, size, &m, &used, &f) == OK) {
		ENSURE(used <= size);
		check_same(&m, data, used);
		walk(m.attrs);
		data += used;
		size -= used;
	}
	return 0;
}
