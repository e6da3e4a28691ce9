/* What door tells about a process: the list, and a cgroup path as the kernel shows
 * it. The first byte chooses. */
#include "lib/peer.h"
#include "lib/subject.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void list(const uint8_t *data, size_t size)
{
	struct attr_view v;
	struct attrs out;
	struct subject s;

	if (attr_parse(data, size, &v, NULL) != OK)
		return;
	attrs_init(&out);
	if (subject_parse(v, &s, NULL) == OK)
		ENSURE(subject_format(&s, &out) == OK);
	subject_wipe(&s);
	attrs_wipe(&out);
}

static void cgroup(const uint8_t *data, size_t size)
{
	char unit[PEER_UNIT_MAX], user_unit[PEER_UNIT_MAX];
	char *text = xcalloc(1, size + 1);

	memcpy(text, data, size);
	peer_units(text, unit, user_unit);
	ENSURE(strlen(unit) < sizeof unit);
	ENSURE(strlen(user_unit) < sizeof user_unit);
	ENSURE(!strchr(unit, '/') && !strchr(user_unit, '/'));
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	if (data[0] & 1)
		list(data + 1, size - 1);
	else
		cgroup(data + 1, size - 1);
	return 0;
}
