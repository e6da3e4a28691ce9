/* Used by every gate; holds nothing. */
#include "lib/etag.h"

#include <string.h>

/* Past one tag, whose quotes may hold commas; NULL where there is no end. */
static const char *tag_end(const char *tag)
{
	if (*tag != '"')
		return tag + strcspn(tag, ",");
	tag = strchr(tag + 1, '"');
	return tag ? tag + 1 : NULL;
}

bool etag_in(const char *list, const char *tag)
{
	size_t n = strlen(tag);

	while (list) {
		list += strspn(list, " \t,");
		if (!*list)
			return false;
		if (*list == '*')
			return true;
		if (!strncmp(list, "W/", 2))
			list += 2;
		if (!strncmp(list, tag, n) &&
		    (!list[n] || strchr(" \t,", list[n])))
			return true;
		list = tag_end(list);
	}
	return false;
}
