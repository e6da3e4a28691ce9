/* JSON as it travels between clients and gates (docs/http.md, POST /v1/verbs/VERB): lists
 * without loss, answers, problems. Read strictly, without a tree or a library. Runs in clients. */
#ifndef LIB_CLIENT_JSON_H
#define LIB_CLIENT_JSON_H

#include "lib/client.h"

enum {
	CLIENT_JSON_DEPTH = 16, /* of what is skipped */
};

/* Reads {"items":[LIST,…],"reply":LIST}, where LIST is pairs as in lib/json_list.h, into
 * a new answer. Other members are passed over. ERR_INVALID or ERR_TOO_LARGE with the reason. */
MUST enum err client_json_answer(const void *text, size_t len,
				 struct cretula_answer **out, struct fault *f);

/* Reads a problem (RFC 9457): the error that its type names (preset, if it names none of
 * ours), its sentence (detail, or else title), request_id, retry_after. ERR_INVALID if it
 * is no object: err is as it was. */
MUST enum err client_json_problem(const void *text, size_t len, enum err preset,
				  struct cretula_error *err);

#endif
