/* net, verifiers: libcurl, loaded when they start. */
#include "lib/web_curl.h"

#include <dlfcn.h>
#include <string.h>

#define LIBRARY "libcurl.so.4"

struct web_curl web_curl;

/* A function's address, as dlsym gives it: ISO C has no cast for that. */
static bool find(void *library, const char *name, void *function, size_t size)
{
	void *at = dlsym(library, name);

	ENSURE(size == sizeof at);
	memcpy(function, &at, sizeof at);
	return at != NULL;
}

#define FIND(name)                                                             \
	find(library, "curl_" #name, &web_curl.name, sizeof web_curl.name)

enum err web_curl_load(struct fault *f)
{
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

	if (library && FIND(global_init) && FIND(easy_init) &&
	    FIND(easy_setopt) && FIND(easy_getinfo) && FIND(easy_strerror) &&
	    FIND(multi_init) && FIND(multi_setopt) && FIND(multi_add_handle) &&
	    FIND(multi_remove_handle) && FIND(multi_info_read) &&
	    FIND(multi_socket_action) && FIND(slist_append) &&
	    FIND(slist_free_all))
		return OK;
	return fault_set(f, ERR_UNSUPPORTED,
			 "libcurl cannot be used (Debian package libcurl4): %s",
			 library ? "it lacks a function" : dlerror());
}
