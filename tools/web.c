/* HTTP for the command: libcurl, told to follow nothing, to trust one root and to read
 * no more than was asked for. Runs in cretula; holds one answer. */
#include "tools/web.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

struct fetch {
	struct buf *body;
	size_t max, before;
	bool over;
	char why[CURL_ERROR_SIZE];
};

static size_t on_bytes(char *p, size_t size, size_t n, void *arg)
{
	struct fetch *x = arg;
	size_t len = size * n;

	x->over = x->body->len - x->before + len > x->max ||
		  buf_put(x->body, p, len) != OK;
	return x->over ? CURL_WRITEFUNC_ERROR : len;
}

static void curl_end(CURL **c)
{
	curl_easy_cleanup(*c);
}

static void headers_end(struct curl_slist **h)
{
	curl_slist_free_all(*h);
}

static void json_end(json_t **j)
{
	json_decref(*j);
}

#define SET(option, value)                                                     \
	do {                                                                   \
		if (curl_easy_setopt(c, CURLOPT_##option, value) != CURLE_OK)  \
			return ERR_INTERNAL;                                   \
	} while (0)

static enum err set_up(CURL *c, const struct web *w, struct fetch *x)
{
	SET(URL, w->url);
	SET(PROTOCOLS_STR, "http,https");
	SET(PROXY, ""); /* whatever the environment says */
	SET(NOSIGNAL, 1L);
	SET(CONNECTTIMEOUT, (long)WEB_CONNECT_S);
	SET(LOW_SPEED_LIMIT, 1L);
	SET(LOW_SPEED_TIME, (long)WEB_STALL_S);
	SET(TIMEOUT, (long)w->seconds);
	SET(USERAGENT, "cretula");
	SET(ERRORBUFFER, x->why);
	SET(WRITEFUNCTION, on_bytes);
	SET(WRITEDATA, x);
	SET(SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CAPATH, NULL);
	if (w->ca_file)
		SET(CAINFO, w->ca_file);
	return OK;
}

static enum err set_post(CURL *c, const struct web *w,
			 struct curl_slist **headers)
{
	if (!w->json)
		return OK;
	*headers = curl_slist_append(NULL, "Content-Type: application/json");
	if (!*headers)
		return ERR_INTERNAL;
	SET(HTTPHEADER, *headers);
	SET(POSTFIELDS, w->json);
	return OK;
}

/* Statuses of errors that carry no name of ours. */
static enum err code_of(long status)
{
	switch (status) {
	case 400:
		return ERR_INVALID;
	case 401:
		return ERR_UNAUTHENTICATED;
	case 403:
		return ERR_DENIED;
	case 404:
	case 405:
		return ERR_NOT_FOUND;
	case 413:
		return ERR_TOO_LARGE;
	case 429:
		return ERR_LIMITED;
	case 502:
	case 503:
	case 504:
		return ERR_UNAVAILABLE;
	default:
		return ERR_INTERNAL;
	}
}

/* The name of the error at the end of a problem's type. */
static enum err problem_code(const json_t *problem, long status)
{
	const char *type = json_string_value(json_object_get(problem, "type"));
	const char *name = type ? strrchr(type, ':') : NULL;
	const char *slash = type ? strrchr(type, '/') : NULL;
	enum err e;

	if (slash && (!name || slash > name))
		name = slash;
	if (name && err_parse(name + 1, strlen(name + 1), &e) == OK && e != OK)
		return e;
	return code_of(status);
}

static enum err refused(const struct web *w, long status,
			const struct buf *body, size_t before, struct fault *f)
{
	AUTO(json_end)
	json_t *j = json_loadb((const char *)body->p + before,
			       body->len - before, 0, NULL);
	const char *text = json_string_value(json_object_get(j, "detail"));
	const char *id = json_string_value(json_object_get(j, "request_id"));

	if (!text)
		return fault_set(f, code_of(status),
				 "'%s' answered with status %ld", w->url,
				 status);
	return fault_set(f, problem_code(j, status), "%s%s%s%s", text,
			 id ? " [request " : "", id ? id : "", id ? "]" : "");
}

static enum err failed(const struct web *w, CURLcode rc, const struct fetch *x,
		       struct fault *f)
{
	const char *why = x->why[0] ? x->why : curl_easy_strerror(rc);

	if (x->over)
		return fault_set(f, ERR_TOO_LARGE,
				 "the answer of '%s' is over %zu bytes", w->url,
				 w->max);
	if (rc == CURLE_PEER_FAILED_VERIFICATION)
		return fault_set(f, ERR_UNAUTHENTICATED,
				 "'%s' is not the CA that '%s' is the root of: "
				 "%s",
				 w->url, w->ca_file ? w->ca_file : "no file",
				 why);
	if (rc == CURLE_SSL_CACERT_BADFILE)
		return fault_set(f, ERR_INVALID,
				 "the root certificate '%s' cannot be used: %s",
				 w->ca_file, why);
	if (rc == CURLE_URL_MALFORMAT || rc == CURLE_UNSUPPORTED_PROTOCOL)
		return fault_set(f, ERR_INVALID, "'%s' is no URL: %s", w->url,
				 why);
	return fault_set(f, ERR_UNAVAILABLE, "'%s' is not reached: %s", w->url,
			 why);
}

enum err web_fetch(const struct web *w, struct buf *body, bool *reached,
		   struct fault *f)
{
	AUTO(headers_end) struct curl_slist *headers = NULL;
	AUTO(curl_end) CURL *c = curl_easy_init();
	struct fetch x = { .body = body, .max = w->max, .before = body->len };
	long status = 0;
	CURLcode rc;

	*reached = false;
	if (!c || set_up(c, w, &x) != OK || set_post(c, w, &headers) != OK)
		return fault_set(f, ERR_INTERNAL, "libcurl cannot be set up");
	rc = curl_easy_perform(c);
	if (rc != CURLE_OK) {
		*reached = rc != CURLE_COULDNT_CONNECT &&
			   rc != CURLE_COULDNT_RESOLVE_HOST &&
			   rc != CURLE_OPERATION_TIMEDOUT;
		return failed(w, rc, &x, f);
	}
	*reached = true;
	(void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	if (status == 200 || status == 201)
		return OK;
	TRY(refused(w, status, body, x.before, f));
	return ERR_INTERNAL;
}
