/* gate: where jansson reads. Holds one request's text at a time. */
#include "lib/json_load.h"

#include <string.h>

void json_end(json_t **j)
{
	json_decref(*j);
}

static enum err not_json(const json_error_t *e, struct fault *f)
{
	const char *near = strstr(e->text, " near ");
	int n = (int)(near ? (size_t)(near - e->text) : strlen(e->text));

	if (e->line < 1)
		return fault_set(f, ERR_INVALID, "the body is not JSON: %.*s",
				 n, e->text);
	return fault_set(f, ERR_INVALID,
			 "the body is not JSON: line %d, column %d: %.*s",
			 e->line, e->column, n, e->text);
}

enum err json_load_object(const void *text, size_t len, json_t **out,
			  struct fault *f)
{
	json_error_t je;
	json_t *root;

	root = json_loadb(len ? text : "", len, JSON_REJECT_DUPLICATES, &je);
	if (!root)
		return not_json(&je, f);
	if (!json_is_object(root)) {
		json_decref(root);
		return fault_set(f, ERR_INVALID,
				 "the body must be a JSON object");
	}
	*out = root;
	return OK;
}
