/* Worker: what the host name of an AWS endpoint says about region, service and,
 * for S3, where the bucket's name is. Holds nothing.
 *
 * Sources: AWS General Reference "Service endpoints and quotas"; S3 User Guide
 * "Virtual hosting of buckets", "Access points", "S3 endpoints". */
#include "modules/aws-sigv4/sigv4.h"

enum {
	LABELS_MAX = 24
};

struct labels {
	struct str of[LABELS_MAX];
	size_t n;
};

/* Services whose endpoint is not named as they sign; `first` is the host's label
 * left of it where only that one is meant (NULL: any). */
struct alias {
	struct str label;
	const char *first;
	const char *service;
};

static const struct alias aliases[] = {
	{ STR_OF("appconfigdata"), NULL, "appconfig" },
	{ STR_OF("appstream2"), NULL, "appstream" },
	{ STR_OF("appsync-api"), NULL, "appsync" },
	{ STR_OF("backupstorage"), NULL, "backup-storage" },
	{ STR_OF("bedrock-agent"), NULL, "bedrock" },
	{ STR_OF("bedrock-agent-runtime"), NULL, "bedrock" },
	{ STR_OF("bedrock-runtime"), NULL, "bedrock" },
	{ STR_OF("cloudhsmv2"), NULL, "cloudhsm" },
	{ STR_OF("cloudsearchdomain"), NULL, "cloudsearch" },
	{ STR_OF("contact-lens"), NULL, "connect" },
	{ STR_OF("email"), NULL, "ses" },
	{ STR_OF("forecastquery"), NULL, "forecast" },
	{ STR_OF("identity-chime"), NULL, "chime" },
	{ STR_OF("iot"), "fleethub", "iotfleethub" },
	{ STR_OF("iot"), "jobs", "iot-jobs-data" },
	{ STR_OF("iot"), "data", "iotdata" },
	{ STR_OF("iot"), "data-ats", "iotdata" },
	{ STR_OF("iotevents"), "data", "ioteventsdata" },
	{ STR_OF("marketplace"), NULL, "aws-marketplace" },
	{ STR_OF("media-pipelines-chime"), NULL, "chime" },
	{ STR_OF("meetings-chime"), NULL, "chime" },
	{ STR_OF("memory-db"), NULL, "memorydb" },
	{ STR_OF("messaging-chime"), NULL, "chime" },
	{ STR_OF("migrationhub-config"), NULL, "mgh" },
	{ STR_OF("models-v2-lex"), NULL, "lex" },
	{ STR_OF("oidc"), NULL, "awsssooidc" },
	{ STR_OF("personalize-events"), NULL, "personalize" },
	{ STR_OF("personalize-runtime"), NULL, "personalize" },
	{ STR_OF("pinpoint"), "sms-voice", "sms-voice" },
	{ STR_OF("pinpoint"), NULL, "mobiletargeting" },
	{ STR_OF("queue"), NULL, "sqs" },
	{ STR_OF("runtime-v2-lex"), NULL, "lex" },
	{ STR_OF("s3-accelerate"), NULL, "s3" },
	{ STR_OF("s3-accesspoint"), NULL, "s3" },
	{ STR_OF("s3-control"), NULL, "s3" },
	{ STR_OF("s3-external-1"), NULL, "s3" },
	{ STR_OF("s3express-control"), NULL, "s3express" },
	{ STR_OF("servicecatalog-appregistry"), NULL, "servicecatalog" },
	{ STR_OF("sso"), "portal", "awsssoportal" },
	{ STR_OF("transcribestreaming"), NULL, "transcribe" },
	{ STR_OF("voice-chime"), NULL, "chime" },
};

/* Services with one endpoint for the world, signed for us-east-1. */
static const struct str global[] = { STR_OF("cloudfront"),    STR_OF("iam"),
				     STR_OF("route53"),       STR_OF("s3"),
				     STR_OF("s3-external-1"), STR_OF("sts") };

static const struct str suffixes[] = { STR_OF(".amazonaws.com"),
				       STR_OF(".amazonaws.com.cn"),
				       STR_OF(".api.aws"), STR_OF(".on.aws") };

static const struct str compass[] = { STR_OF("central"),   STR_OF("east"),
				      STR_OF("north"),     STR_OF("northeast"),
				      STR_OF("northwest"), STR_OF("south"),
				      STR_OF("southeast"), STR_OF("southwest"),
				      STR_OF("west") };

bool service_is_s3(struct str s)
{
	return str_is(s, STR("s3")) || str_is(s, STR("s3-outposts")) ||
	       str_is(s, STR("s3-object-lambda")) ||
	       str_is(s, STR("s3express"));
}

static bool in_list(const struct str *list, size_t n, struct str s)
{
	for (size_t i = 0; i < n; i++)
		if (str_is(s, list[i]))
			return true;
	return false;
}

/* xx-[word-…]DIRECTION-N, like eu-west-1 and us-gov-east-1. */
static bool is_region(struct str s)
{
	size_t last = s.n, before;

	if (s.n < 8 || s.n > SCOPE_MAX || s.p[2] != '-')
		return false;
	for (size_t i = 0; i < 2; i++)
		if (s.p[i] < 'a' || s.p[i] > 'z')
			return false;
	while (last && s.p[last - 1] >= '0' && s.p[last - 1] <= '9')
		last--;
	if (last == s.n || last < 4 || s.p[last - 1] != '-')
		return false;
	before = last - 1;
	while (before && s.p[before - 1] != '-')
		before--;
	return in_list(compass, NELEM(compass), str_cut(s, before, last - 1));
}

static bool labels_split(struct str s, struct labels *l)
{
	l->n = 0;
	for (size_t at = 0; at <= s.n;) {
		size_t end = str_find(s, at, '.');

		if (end == at || l->n == LABELS_MAX)
			return false;
		l->of[l->n++] = str_cut(s, at, end);
		at = end + 1;
	}
	return true;
}

/* The labels before an AWS suffix; false for other hosts. */
static bool aws_labels(struct str host, struct labels *l)
{
	for (size_t i = 0; i < NELEM(suffixes); i++) {
		struct str end = suffixes[i];

		if (host.n > end.n && str_has_suffix(host, end))
			return labels_split(str_cut(host, 0, host.n - end.n),
					    l);
	}
	return false;
}

static struct str without_fips(struct str s)
{
	struct str fips = STR("-fips");

	return str_has_suffix(s, fips) ? str_cut(s, 0, s.n - fips.n) : s;
}

/* s3-REGION, as S3 once named its hosts. */
static bool old_s3(struct str label, struct str *region)
{
	if (!str_has_prefix(label, STR("s3-")))
		return false;
	*region = str_cut(label, 3, label.n);
	return is_region(*region);
}

static struct str signing_name(const struct labels *l, size_t at)
{
	struct str label = without_fips(l->of[at]), old;

	if (str_has_prefix(label, STR("s3express-")))
		return STR("s3express");
	if (old_s3(label, &old))
		return STR("s3");
	for (size_t i = 0; i < NELEM(aliases); i++) {
		const struct alias *a = &aliases[i];

		if (!str_is(label, a->label))
			continue;
		if (!a->first ||
		    (at && str_is(l->of[at - 1], str_from(a->first))))
			return str_from(a->service);
	}
	if (at && str_is(label, STR("iot")))
		return STR("iotdata");
	return label;
}

/* The label with the service's name, counted from the left; sets region if a
 * label is one. False if the name has no such shape. */
static bool service_label(const struct labels *l, size_t *at,
			  struct str *region)
{
	size_t i = l->n;

	if (i && str_is(l->of[i - 1], STR("vpce")))
		i--;
	if (i && is_region(l->of[i - 1])) {
		*region = l->of[--i];
		if (i && str_is(l->of[i - 1], STR("dualstack")))
			i--;
	}
	if (!i)
		return false;
	*at = i - 1;
	return true;
}

/* Where no label right of the service is a region. */
static struct str region_elsewhere(const struct labels *l, size_t at)
{
	struct str label = without_fips(l->of[at]), region;

	if (old_s3(label, &region))
		return region;
	if (in_list(global, NELEM(global), label))
		return STR("us-east-1");
	/* us-east-1.queue, search-x.us-east-1.es */
	if (at && !str_has_prefix(label, STR("s3")) && is_region(l->of[at - 1]))
		return l->of[at - 1];
	return (struct str){ NULL, 0 };
}

/* Control and website endpoints speak another API than buckets do. */
static enum style aws_style(const struct labels *l, size_t at)
{
	struct str label = without_fips(l->of[at]);

	if (str_is(label, STR("s3-control")) ||
	    str_is(label, STR("s3express-control")) ||
	    str_has_prefix(label, STR("s3-website")))
		return STYLE_UNKNOWN;
	if (!at)
		return STYLE_PATH;
	/* A VPC endpoint's own name is no bucket; what is left of it says. */
	if (str_has_prefix(l->of[at - 1], STR("vpce-")))
		return STYLE_UNKNOWN;
	return STYLE_VIRTUAL;
}

/* Hosts that are not AWS's: certain are numbers, names of one label, and those
 * that begin with s3, which have no bucket in front. */
static enum style other_style(struct str host)
{
	struct labels l;
	bool number = true;

	for (size_t i = 0; i < host.n; i++)
		number &= host.p[i] == '.' ||
			  (host.p[i] >= '0' && host.p[i] <= '9');
	if (number || host.p[0] == '[')
		return STYLE_PATH;
	if (!labels_split(host, &l))
		return STYLE_UNKNOWN;
	return l.n == 1 || str_is(l.of[0], STR("s3")) ? STYLE_PATH
						      : STYLE_UNKNOWN;
}

void endpoint_read(struct str host, struct endpoint *e)
{
	struct labels l;
	size_t at;

	*e = (struct endpoint){ .style = STYLE_UNKNOWN };
	if (!aws_labels(host, &l)) {
		e->style = other_style(host);
		return;
	}
	if (!service_label(&l, &at, &e->region))
		return;
	if (!e->region.n)
		e->region = region_elsewhere(&l, at);
	e->service = signing_name(&l, at);
	e->style = aws_style(&l, at);
	/* FUNCTION.lambda-url.REGION.on.aws */
	if (str_is(e->service, STR("lambda-url")))
		e->service = STR("lambda");
}
