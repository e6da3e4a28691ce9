/* net: a cloud's metadata service, as Amazon's second version has it and others too: a
 * PUT gives a session token, and with that a GET the user data. Plain HTTP to a
 * link-local address; what comes is parsed in net_boot_text.c. Holds the user data, for a
 * moment. */
#include "certmgr/net_boot.h"

#include "lib/log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define IMDS_URL     "http://169.254.169.254"
#define IMDS_SESSION "/latest/api/token"
#define IMDS_DATA    "/latest/user-data"
#define IMDS_TTL     "X-aws-ec2-metadata-token-ttl-seconds: 60"
#define IMDS_HEADER  "X-aws-ec2-metadata-token: "

enum {
	SESSION_MAX = 512, /* bytes of a session token */
	STATUS_OK = 200,
};

static struct {
	struct web_place at;
	void (*heard)(struct span text, const struct fault *bad);
	char header[sizeof IMDS_HEADER + SESSION_MAX];
} imds;

void imds_open(const char *url)
{
	struct fault f;

	if (web_place_parse("http", url ? url : IMDS_URL, &imds.at, &f) == OK)
		return;
	log_text(LOG_CRIT, "not_started", "imds_url=: %s", f.text);
	_exit(1);
}

static void nothing(const struct web_answer *a, const char *what)
{
	struct fault f;

	if (!a->status)
		f = a->why;
	else
		(void)fault_set(&f, ERR_NOT_FOUND,
				"the metadata service at '%s' gives no %s "
				"(status %u)",
				imds.at.url, what, a->status);
	imds.heard((struct span){ 0 }, &f);
}

static void data_came(const struct web_answer *a)
{
	if (a->status != STATUS_OK)
		nothing(a, "user data");
	else
		imds.heard(a->body, NULL);
}

static bool session_of(struct span s)
{
	while (s.n && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r'))
		s.n--;
	if (!s.n || s.n > SESSION_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return false;
	(void)snprintf(imds.header, sizeof imds.header, IMDS_HEADER "%.*s",
		       (int)s.n, (const char *)s.p);
	return true;
}

static void session_came(const struct web_answer *a)
{
	if (a->status == STATUS_OK && session_of(a->body))
		node_ask_metadata(&imds.at, IMDS_DATA, false, imds.header,
				  data_came);
	else
		nothing(a, "session token");
}

void imds_ask(void (*heard)(struct span text, const struct fault *bad))
{
	imds.heard = heard;
	node_ask_metadata(&imds.at, IMDS_SESSION, true, IMDS_TTL, session_came);
}
