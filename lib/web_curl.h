/* libcurl, loaded by net and verifiers alone: it brings thirty libraries, which each process
 * of credd and certmgr would else carry (half a MiB each that it writes to). */
#ifndef LIB_WEB_CURL_H
#define LIB_WEB_CURL_H

#include "lib/err.h"

#include <curl/curl.h>

/* Its functions, by their names without `curl_`. */
struct web_curl {
	CURLcode (*global_init)(long flags);
	CURL *(*easy_init)(void);
	CURLcode (*easy_setopt)(CURL *c, CURLoption option, ...);
	CURLcode (*easy_getinfo)(CURL *c, CURLINFO info, ...);
	const char *(*easy_strerror)(CURLcode rc);
	CURLM *(*multi_init)(void);
	CURLMcode (*multi_setopt)(CURLM *m, CURLMoption option, ...);
	CURLMcode (*multi_add_handle)(CURLM *m, CURL *c);
	CURLMcode (*multi_remove_handle)(CURLM *m, CURL *c);
	CURLMsg *(*multi_info_read)(CURLM *m, int *left);
	CURLMcode (*multi_socket_action)(CURLM *m, curl_socket_t fd, int events,
					 int *running);
	struct curl_slist *(*slist_append)(struct curl_slist *list,
					   const char *line);
	void (*slist_free_all)(struct curl_slist *list);
};

extern struct web_curl web_curl;

/* Before confinement; ERR_UNSUPPORTED, with the reason, if it is not there. */
MUST enum err web_curl_load(struct fault *f);

#endif
