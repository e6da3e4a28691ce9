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
	struct str name;
	enum level level;
	const char *get, *put, *drop, *post, *list;
};

static const struct sub subs[] = {
	{ STR_OF("accelerate"), BUCKET, "GetBucketAccelerateConfiguration",
	  "PutBucketAccelerateConfiguration", NULL, NULL, NULL },
	{ STR_OF("acl"), BUCKET, "GetBucketAcl", "PutBucketAcl", NULL, NULL,
	  NULL },
	{ STR_OF("analytics"), BUCKET, "GetBucketAnalyticsConfiguration",
	  "PutBucketAnalyticsConfiguration",
	  "DeleteBucketAnalyticsConfiguration", NULL,
	  "ListBucketAnalyticsConfigurations" },
	{ STR_OF("cors"), BUCKET, "GetBucketCors", "PutBucketCors",
	  "DeleteBucketCors", NULL, NULL },
	{ STR_OF("delete"), BUCKET, NULL, NULL, NULL, "DeleteObjects", NULL },
	{ STR_OF("encryption"), BUCKET, "GetBucketEncryption",
	  "PutBucketEncryption", "DeleteBucketEncryption", NULL, NULL },
	{ STR_OF("intelligent-tiering"), BUCKET,
	  "GetBucketIntelligentTieringConfiguration",
	  "PutBucketIntelligentTieringConfiguration",
	  "DeleteBucketIntelligentTieringConfiguration", NULL,
	  "ListBucketIntelligentTieringConfigurations" },
	{ STR_OF("inventory"), BUCKET, "GetBucketInventoryConfiguration",
	  "PutBucketInventoryConfiguration",
	  "DeleteBucketInventoryConfiguration", NULL,
	  "ListBucketInventoryConfigurations" },
	{ STR_OF("lifecycle"), BUCKET, "GetBucketLifecycleConfiguration",
	  "PutBucketLifecycleConfiguration", "DeleteBucketLifecycle", NULL,
	  NULL },
	{ STR_OF("location"), BUCKET, "GetBucketLocation", NULL, NULL, NULL,
	  NULL },
	{ STR_OF("logging"), BUCKET, "GetBucketLogging", "PutBucketLogging",
	  NULL, NULL, NULL },
	{ STR_OF("metadataConfiguration"), BUCKET,
	  "GetBucketMetadataConfiguration", NULL,
	  "DeleteBucketMetadataConfiguration",
	  "CreateBucketMetadataConfiguration", NULL },
	{ STR_OF("metadataTable"), BUCKET,
	  "GetBucketMetadataTableConfiguration", NULL,
	  "DeleteBucketMetadataTableConfiguration",
	  "CreateBucketMetadataTableConfiguration", NULL },
	{ STR_OF("metrics"), BUCKET, "GetBucketMetricsConfiguration",
	  "PutBucketMetricsConfiguration", "DeleteBucketMetricsConfiguration",
	  NULL, "ListBucketMetricsConfigurations" },
	{ STR_OF("notification"), BUCKET, "GetBucketNotificationConfiguration",
	  "PutBucketNotificationConfiguration", NULL, NULL, NULL },
	{ STR_OF("object-lock"), BUCKET, "GetObjectLockConfiguration",
	  "PutObjectLockConfiguration", NULL, NULL, NULL },
	{ STR_OF("ownershipControls"), BUCKET, "GetBucketOwnershipControls",
	  "PutBucketOwnershipControls", "DeleteBucketOwnershipControls", NULL,
	  NULL },
	{ STR_OF("policy"), BUCKET, "GetBucketPolicy", "PutBucketPolicy",
	  "DeleteBucketPolicy", NULL, NULL },
	{ STR_OF("policyStatus"), BUCKET, "GetBucketPolicyStatus", NULL, NULL,
	  NULL, NULL },
	{ STR_OF("publicAccessBlock"), BUCKET, "GetPublicAccessBlock",
	  "PutPublicAccessBlock", "DeletePublicAccessBlock", NULL, NULL },
	{ STR_OF("replication"), BUCKET, "GetBucketReplication",
	  "PutBucketReplication", "DeleteBucketReplication", NULL, NULL },
	{ STR_OF("requestPayment"), BUCKET, "GetBucketRequestPayment",
	  "PutBucketRequestPayment", NULL, NULL, NULL },
	{ STR_OF("session"), BUCKET, "CreateSession", NULL, NULL, NULL, NULL },
	{ STR_OF("tagging"), BUCKET, "GetBucketTagging", "PutBucketTagging",
	  "DeleteBucketTagging", NULL, NULL },
	{ STR_OF("uploads"), BUCKET, "ListMultipartUploads", NULL, NULL, NULL,
	  NULL },
	{ STR_OF("versioning"), BUCKET, "GetBucketVersioning",
	  "PutBucketVersioning", NULL, NULL, NULL },
	{ STR_OF("versions"), BUCKET, "ListObjectVersions", NULL, NULL, NULL,
	  NULL },
	{ STR_OF("website"), BUCKET, "GetBucketWebsite", "PutBucketWebsite",
	  "DeleteBucketWebsite", NULL, NULL },
	{ STR_OF("acl"), OBJECT, "GetObjectAcl", "PutObjectAcl", NULL, NULL,
	  NULL },
	{ STR_OF("attributes"), OBJECT, "GetObjectAttributes", NULL, NULL, NULL,
	  NULL },
	{ STR_OF("legal-hold"), OBJECT, "GetObjectLegalHold",
	  "PutObjectLegalHold", NULL, NULL, NULL },
	{ STR_OF("renameObject"), OBJECT, NULL, "RenameObject", NULL, NULL,
	  NULL },
	{ STR_OF("restore"), OBJECT, NULL, NULL, NULL, "RestoreObject", NULL },
	{ STR_OF("retention"), OBJECT, "GetObjectRetention",
	  "PutObjectRetention", NULL, NULL, NULL },
	{ STR_OF("select"), OBJECT, NULL, NULL, NULL, "SelectObjectContent",
	  NULL },
	{ STR_OF("tagging"), OBJECT, "GetObjectTagging", "PutObjectTagging",
	  "DeleteObjectTagging", NULL, NULL },
	{ STR_OF("torrent"), OBJECT, "GetObjectTorrent", NULL, NULL, NULL,
	  NULL },
	{ STR_OF("uploadId"), OBJECT, "ListParts", "UploadPart",
	  "AbortMultipartUpload", "CompleteMultipartUpload", NULL },
	{ STR_OF("uploads"), OBJECT, NULL, NULL, NULL, "CreateMultipartUpload",
	  NULL },
};

/* Parameters that do not change which operation it is. response-… are too. */
static const struct str harmless[] = {
	STR_OF("continuation-token"),
	STR_OF("delimiter"),
	STR_OF("encoding-type"),
	STR_OF("fetch-owner"),
	STR_OF("id"),
	STR_OF("key-marker"),
	STR_OF("list-type"),
	STR_OF("marker"),
	STR_OF("max-buckets"),
	STR_OF("bucket-region"),
	STR_OF("max-keys"),
	STR_OF("max-parts"),
	STR_OF("max-uploads"),
	STR_OF("part-number-marker"),
	STR_OF("partNumber"),
	STR_OF("prefix"),
	STR_OF("select-type"),
	STR_OF("start-after"),
	STR_OF("upload-id-marker"),
	STR_OF("version-id-marker"),
	STR_OF("versionId"),
	STR_OF("x-id"),
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
		if (harmless[i].p[0] == name.p[0] && str_is(name, harmless[i]))
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
		if (subs[i].name.p[0] != name.p[0] ||
		    !str_is(name, subs[i].name))
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
	bool upload = str_is(s->name, STR("uploadId"));

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
