/* gate: CRLs, each in a memory file that the issuer made; sent from there without
 * passing through this process. Public data only.
 *	issuer -> gate	GI_CRL + memfd		gate -> issuer	GI_DROPPED
 * Who began to fetch one gets it whole: MHD keeps a response until its last user. */
#include "ca/gate.h"

#include "ca/kinds.h"
#include "lib/httpdate.h"
#include "lib/num.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	CRL_SHARDS_MAX = 4096,
	CRL_ETAG = 96,
	CRL_FULL = 0, /* place of the full one; shard n is at n + 1 */
};

/* A fresh one is published on revocation: caches ask after a minute whether there is. */
#define CRL_AGE  "max-age=60, public, no-transform, must-revalidate"
#define CRL_SIZE (4ull << 30)

struct crl {
	struct MHD_Response *response;
	int64_t this_update;
	char etag[CRL_ETAG];
};

static struct {
	struct crl *at;
	size_t room, count;
} crls;

static uint64_t number_of(const struct msg *m, const char *name, uint64_t max)
{
	struct attr a;
	uint64_t v = 0;

	if (attr_find(m->attrs, name, &a) && attr_u64(&a, max, &v) != OK)
		v = 0;
	return v;
}

static size_t place_of(const struct msg *m)
{
	struct attr a;

	if (!attr_find(m->attrs, "shard", &a))
		return CRL_FULL;
	return (size_t)number_of(m, "shard", CRL_SHARDS_MAX - 1) + 1;
}

static void make_place(size_t place)
{
	if (place < crls.room)
		return;
	crls.at = xrealloc(crls.at, (place + 1) * sizeof *crls.at);
	while (crls.room <= place)
		crls.at[crls.room++] = (struct crl){ 0 };
}

static void fill(struct crl *c, const struct msg *m, size_t place, int fd)
{
	int64_t next = (int64_t)number_of(m, "next_update", INT64_MAX);
	char date[HTTPDATE_LEN + 1];

	c->this_update = (int64_t)number_of(m, "this_update", INT64_MAX);
	c->response = MHD_create_response_from_fd_at_offset64(
		number_of(m, "size", CRL_SIZE), fd,
		number_of(m, "offset", CRL_SIZE));
	ENSURE(c->response != NULL);
	(void)snprintf(c->etag, sizeof c->etag, "\"%zu-%llu-%lld\"", place,
		       (unsigned long long)number_of(m, "number", UINT64_MAX),
		       (long long)c->this_update);
	mhd_header(c->response, MHD_HTTP_HEADER_CONTENT_TYPE,
		   "application/pkix-crl");
	mhd_header(c->response, MHD_HTTP_HEADER_ETAG, c->etag);
	mhd_header(c->response, MHD_HTTP_HEADER_CACHE_CONTROL, CRL_AGE);
	httpdate_format(c->this_update, date);
	mhd_header(c->response, MHD_HTTP_HEADER_LAST_MODIFIED, date);
	httpdate_format(next, date);
	mhd_header(c->response, MHD_HTTP_HEADER_EXPIRES, date);
}

void gate_crl_put(const struct msg *m, int fd)
{
	size_t place = place_of(m);
	struct crl *c;

	make_place(place);
	c = &crls.at[place];
	if (c->response)
		MHD_destroy_response(c->response);
	else
		crls.count++;
	fill(c, m, place, fd);
	chan_tell(&ca_gate.issuer, GI_DROPPED, m->id, (struct attr_view){ 0 });
}

static bool is_there(size_t place)
{
	return place < crls.room && crls.at[place].response;
}

enum MHD_Result gate_crl_run(struct gate_conn *c)
{
	uint64_t shard;
	size_t place = CRL_FULL;

	if (c->vars) {
		if (num_u64((const char *)c->var[0].p, c->var[0].n,
			    CRL_SHARDS_MAX - 1, &shard) != OK)
			return gate_refuse(c, ERR_NOT_FOUND,
					   "there is no such CRL: /crl, or "
					   "/crl/SHARD");
		place = (size_t)shard + 1;
	}
	if (is_there(place))
		return gate_cached(c, crls.at[place].response,
				   crls.at[place].etag,
				   crls.at[place].this_update);
	/* the full one comes last: with it the shards that there are are known */
	if (is_there(CRL_FULL))
		return gate_refuse(c, ERR_NOT_FOUND,
				   "there is no such CRL: /crl, or /crl/SHARD");
	return gate_refuse(c, ERR_UNAVAILABLE,
			   "this CRL has not been published yet: the CA is "
			   "being started: try again");
}

size_t gate_crl_count(void)
{
	return crls.count;
}

void gate_crl_close(void)
{
	for (size_t i = 0; i < crls.room; i++)
		if (crls.at[i].response)
			MHD_destroy_response(crls.at[i].response);
	free(crls.at);
	crls.at = NULL;
	crls.room = crls.count = 0;
}
