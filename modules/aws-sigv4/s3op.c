/* Worker: the S3 operation of a request, by method, path and sub-resource. It is
 * stated only when certain: with an unknown parameter, two sub-resources, or a host
 * that does not tell where the bucket is, it is not.
 *
 * Source: Amazon S3 API Reference, "Actions". */
#include "modules/aws-sigv4/sigv4.h"

enum level {
	SERVICE,
	BUCKET,
	OBJECT,
};

/* Operations with a sub-resource: `sub` stands in the query. A `list` is what GET
 * means when id= does not name one of them. */
struct sub {
	const char *name;
	enum level level;
	const char *get, *put, *drop, *post, *list;
};

static const struct sub subs[] = {
	{ "accelerate", BUCKET, "GetBucketAccelerateConfiguration",
	  "PutBucketAccelerateConfiguration", NULL, NULL, NULL },
	{ "acl", BUCKET, "GetBucketAcl", "PutBucketAcl", NULL, NULL, NULL },
	{ "analytics", BUCKET, "GetBucketAnalyticsConfiguration",
	  "PutBucketAnalyticsConfiguration",
	  "DeleteBucketAnalyticsConfiguration", NULL,
	  "ListBucketAnalyticsConfigurations" },
	{ "cors", BUCKET, "GetBucketCors", "PutBucketCors", "DeleteBucketCors",
	  NULL, NULL },
	{ "delete", BUCKET, NULL, NULL, NULL, "DeleteObjects", NULL },
	{ "encryption", BUCKET, "GetBucketEncryption", "PutBucketEncryption",
	  "DeleteBucketEncryption", NULL, NULL },
	{ "intelligent-tiering", BUCKET,
	  "GetBucketIntelligentTieringConfiguration",
	  "PutBucketIntelligentTieringConfiguration",
	  "DeleteBucketIntelligentTieringConfiguration", NULL,
	  "ListBucketIntelligentTieringConfigurations" },
	{ "inventory", BUCKET, "GetBucketInventoryConfiguration",
	  "PutBucketInventoryConfiguration",
	  "DeleteBucketInventoryConfiguration", NULL,
	  "ListBucketInventoryConfigurations" },
	{ "lifecycle", BUCKET, "GetBucketLifecycleConfiguration",
	  "PutBucketLifecycleConfiguration", "DeleteBucketLifecycle", NULL,
	  NULL },
	{ "location", BUCKET, "GetBucketLocation", NULL, NULL, NULL, NULL },
	{ "logging", BUCKET, "GetBucketLogging", "PutBucketLogging", NULL, NULL,
	  NULL },
	{ "metadataConfiguration", BUCKET, "GetBucketMetadataConfiguration",
	  NULL, "DeleteBucketMetadataConfiguration",
	  "CreateBucketMetadataConfiguration", NULL },
	{ "metadataTable", BUCKET, "GetBucketMetadataTableConfiguration", NULL,
	  "DeleteBucketMetadataTableConfiguration",
	  "CreateBucketMetadataTableConfiguration", NULL },
	{ "metrics", BUCKET, "GetBucketMetricsConfiguration",
	  "PutBucketMetricsConfiguration", "DeleteBucketMetricsConfiguration",
	  NULL, "ListBucketMetricsConfigurations" },
	{ "notification", BUCKET, "GetBucketNotificationConfiguration",
	  "PutBucketNotificationConfiguration", NULL, NULL, NULL },
	{ "object-lock", BUCKET, "GetObjectLockConfiguration",
	  "PutObjectLockConfiguration", NULL, NULL, NULL },
	{ "ownershipControls", BUCKET, "GetBucketOwnershipControls",
	  "PutBucketOwnershipControls", "DeleteBucketOwnershipControls", NULL,
	  NULL },
	{ "policy", BUCKET, "GetBucketPolicy", "PutBucketPolicy",
	  "DeleteBucketPolicy", NULL, NULL },
	{ "policyStatus", BUCKET, "GetBucketPolicyStatus", NULL, NULL, NULL,
	  NULL },
	{ "publicAccessBlock", BUCKET, "GetPublicAccessBlock",
	  "PutPublicAccessBlock", "DeletePublicAccessBlock", NULL, NULL },
	{ "replication", BUCKET, "GetBucketReplication", "PutBucketReplication",
	  "DeleteBucketReplication", NULL, NULL },
	{ "requestPayment", BUCKET, "GetBucketRequestPayment",
	  "PutBucketRequestPayment", NULL, NULL, NULL },
	{ "session", BUCKET, "CreateSession", NULL, NULL, NULL, NULL },
	{ "tagging", BUCKET, "GetBucketTagging", "PutBucketTagging",
	  "DeleteBucketTagging", NULL, NULL },
	{ "uploads", BUCKET, "ListMultipartUploads", NULL, NULL, NULL, NULL },
	{ "versioning", BUCKET, "GetBucketVersioning", "PutBucketVersioning",
	  NULL, NULL, NULL },
	{ "versions", BUCKET, "ListObjectVersions", NULL, NULL, NULL, NULL },
	{ "website", BUCKET, "GetBucketWebsite", "PutBucketWebsite",
	  "DeleteBucketWebsite", NULL, NULL },
	{ "acl", OBJECT, "GetObjectAcl", "PutObjectAcl", NULL, NULL, NULL },
	{ "attributes", OBJECT, "GetObjectAttributes", NULL, NULL, NULL, NULL },
	{ "legal-hold", OBJECT, "GetObjectLegalHold", "PutObjectLegalHold",
	  NULL, NULL, NULL },
	{ "renameObject", OBJECT, NULL, "RenameObject", NULL, NULL, NULL },
	{ "restore", OBJECT, NULL, NULL, NULL, "RestoreObject", NULL },
	{ "retention", OBJECT, "GetObjectRetention", "PutObjectRetention", NULL,
	  NULL, NULL },
	{ "select", OBJECT, NULL, NULL, NULL, "SelectObjectContent", NULL },
	{ "tagging", OBJECT, "GetObjectTagging", "PutObjectTagging",
	  "DeleteObjectTagging", NULL, NULL },
	{ "torrent", OBJECT, "GetObjectTorrent", NULL, NULL, NULL, NULL },
	{ "uploadId", OBJECT, "ListParts", "UploadPart", "AbortMultipartUpload",
	  "CompleteMultipartUpload", NULL },
	{ "uploads", OBJECT, NULL, NULL, NULL, "CreateMultipartUpload", NULL },
};

/* Parameters that do not change which operation it is. response-… are too. */
static const char *const harmless[] = {
	"continuation-token",
	"delimiter",
	"encoding-type",
	"fetch-owner",
	"id",
	"key-marker",
	"list-type",
	"marker",
	"max-buckets",
	"bucket-region",
	"max-keys",
	"max-parts",
	"max-uploads",
	"part-number-marker",
	"partNumber",
	"prefix",
	"select-type",
	"start-after",
	"upload-id-marker",
	"version-id-marker",
	"versionId",
	"x-id",
};

struct asked {
	enum level level;
	const struct sub *sub;
	bool id;
	bool part;
	bool list2;
};

static bool is_harmless(struct str name)
{
	if (str_has_prefix(name, STR("response-")))
		return true;
	for (size_t i = 0; i < NELEM(harmless); i++)
		if (harmless[i][0] == (char)name.p[0] &&
		    str_is(name, str_from(harmless[i])))
			return true;
	return false;
}

/* The sub-resource of that name on any level; *here is set if it is one of this
 * level. */
static bool sub_named(struct str name, enum level level,
		      const struct sub **here)
{
	bool any = false;

	*here = NULL;
	for (size_t i = 0; i < NELEM(subs); i++) {
		if (subs[i].name[0] != (char)name.p[0] ||
		    !str_is(name, str_from(subs[i].name)))
			continue;
		any = true;
		if (subs[i].level == level)
			*here = &subs[i];
	}
	return any;
}

/* False if a parameter makes the operation uncertain. */
static bool query_read(const struct request *r, struct asked *a)
{
	for (size_t i = 0; i < r->pairs; i++) {
		const struct pair *q = &r->pair[i];
		const struct sub *here;

		if (!q->name.n)
			return false;
		if (sub_named(q->name, a->level, &here)) {
			if (!here || a->sub)
				return false;
			a->sub = here;
			continue;
		}
		if (!is_harmless(q->name))
			return false;
		a->id |= str_is(q->name, STR("id"));
		a->part |= str_is(q->name, STR("partNumber"));
		if (str_is(q->name, STR("list-type")))
			a->list2 = str_is(q->value, STR("2"));
	}
	return true;
}

/* Service, bucket or object, by what the path has. False for a path whose first
 * segment is empty where a bucket should be. */
static bool level_read(const struct request *r, enum level *level)
{
	struct str p = r->path;
	size_t slash;

	if (r->style == STYLE_UNKNOWN)
		return false;
	if (r->style == STYLE_VIRTUAL) {
		*level = p.n > 1 ? OBJECT : BUCKET;
		return true;
	}
	if (p.n == 1) {
		*level = SERVICE;
		return true;
	}
	slash = str_find(p, 1, '/');
	if (slash == 1)
		return false;
	*level = slash + 1 < p.n ? OBJECT : BUCKET;
	return true;
}

static const char *of_sub(const struct request *r, const struct asked *a)
{
	const struct sub *s = a->sub;
	bool upload = !strcmp(s->name, "uploadId");

	if (str_is(r->method, STR("GET")))
		return s->list && !a->id ? s->list : s->get;
	if (str_is(r->method, STR("DELETE")))
		return s->drop;
	if (str_is(r->method, STR("POST")))
		return s->post;
	if (!str_is(r->method, STR("PUT")) || (upload && !a->part))
		return NULL;
	return upload && r->copy ? "UploadPartCopy" : s->put;
}

static const char *of_bucket(const struct request *r, const struct asked *a)
{
	if (str_is(r->method, STR("GET")))
		return a->list2 ? "ListObjectsV2" : "ListObjects";
	if (str_is(r->method, STR("PUT")))
		return "CreateBucket";
	if (str_is(r->method, STR("DELETE")))
		return "DeleteBucket";
	if (str_is(r->method, STR("HEAD")))
		return "HeadBucket";
	return str_is(r->method, STR("POST")) ? "PostObject" : NULL;
}

static const char *of_object(const struct request *r, const struct asked *a)
{
	if (str_is(r->method, STR("GET")))
		return "GetObject";
	if (str_is(r->method, STR("HEAD")))
		return "HeadObject";
	if (str_is(r->method, STR("DELETE")))
		return "DeleteObject";
	if (!str_is(r->method, STR("PUT")) || a->part)
		return NULL;
	return r->copy ? "CopyObject" : "PutObject";
}

static const char *op_of(const struct request *r, const struct asked *a)
{
	if (a->sub)
		return of_sub(r, a);
	switch (a->level) {
	case SERVICE:
		return str_is(r->method, STR("GET")) ? "ListBuckets" : NULL;
	case BUCKET:
		return of_bucket(r, a);
	case OBJECT:
		return of_object(r, a);
	}
	return NULL;
}

struct str s3op_find(const struct job *j, const struct request *r)
{
	struct asked a = { .sub = NULL };
	const char *op;

	(void)j;
	if (str_is(r->service, STR("s3-object-lambda")) &&
	    str_is(r->path, STR("/WriteGetObjectResponse")) &&
	    str_is(r->method, STR("POST")))
		return STR("WriteGetObjectResponse");
	if (!level_read(r, &a.level) || !query_read(r, &a))
		return (struct str){ NULL, 0 };
	op = op_of(r, &a);
	return op ? str_from(op) : (struct str){ NULL, 0 };
}
