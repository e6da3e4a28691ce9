/* OCSP answers that are kept (gate_ocsp_cache.c), for gate_ocsp.c. */
#ifndef CA_GATE_OCSP_H
#define CA_GATE_OCSP_H

#include "lib/der.h"
#include "lib/ocsp.h"

#include <microhttpd.h>

enum {
	OCSP_KEY = 32,
	OCSP_ENTRIES_MAX = 65536,
	OCSP_BYTES_MAX = 12 << 20, /* of all entries, what they cost included */
	OCSP_ENTRY_COST = 1280,    /* MHD's response and its headers, our own */
	OCSP_ETAG = 67,            /* 64 hex digits, quotes, NUL */
	OCSP_AGE_STEP = 5,         /* seconds that one Cache-Control serves */
};

/* An answer as the issuer gave it. */
struct ocsp_answer {
	struct span response;
	bool keep;
	bool error; /* not OCSP_OK */
	int64_t this_update, next_update, refresh;
	uint64_t number[OCSP_CERTS_MAX];
	unsigned numbers;
};

struct ocsp_link;

/* One kept answer; the cache's own. */
struct ocsp_entry {
	uint8_t key[OCSP_KEY];
	struct MHD_Response *response;
	char etag[OCSP_ETAG];
	char age[80]; /* Cache-Control, as it is in response */
	int64_t age_at;
	int64_t this_update, next_update, refresh;
	bool asked; /* anew, and not yet answered */
	struct ocsp_entry *newer, *older;
	struct ocsp_link *link; /* one a number */
	unsigned links;
	size_t bytes;
	size_t request_len;
	uint8_t request[];
};

void ocsp_cache_open(void);
void ocsp_cache_close(void);

/* The answer kept for that key, its Cache-Control right for now; NULL if there is
 * none, or if it has ended. */
struct ocsp_entry *ocsp_cache_find(const uint8_t key[OCSP_KEY], int64_t now);

/* Keeps an answer in place of the one before; the oldest go if it must. */
void ocsp_cache_put(const uint8_t key[OCSP_KEY], struct span request,
		    const struct ocsp_answer *a, int64_t now);

/* Forgets what speaks of that number; everything. The number of answers. */
size_t ocsp_cache_drop(uint64_t number);
size_t ocsp_cache_drop_all(void);

size_t ocsp_cache_entries(void);
size_t ocsp_cache_bytes(void);

#endif
