/* Where an https address leads, and by which presets a client shows itself there. Runs in
 * clients; holds names only. */
#include "lib/client_web.h"

#include "lib/num.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char SCHEME[] = "https://";

enum {
	SCHEME_LEN = sizeof SCHEME - 1,
	PORT_PRESET = 443,
};

bool client_is_url(const char *path)
{
	return !strncmp(path, SCHEME, SCHEME_LEN);
}

static enum cretula_err bad_url(const char *url, const char *why,
				struct cretula_error *err)
{
	return client_fail(err, ERR_INVALID,
			   "'%s' is no address of a daemon, %s: it is "
			   "https://HOST:PORT",
			   url, why);
}

static bool host_ok(const char *p, size_t n, bool v6)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";

	if (!n || n > CLIENT_HOST_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!p[i] || (!strchr(letters, p[i]) &&
			      !(v6 && (p[i] == ':' || p[i] == '%'))))
			return false;
	return true;
}

static char *text_of(const char *p, size_t n)
{
	char *s = xcalloc(n + 1, 1);

	memcpy(s, p, n);
	return s;
}

/* HOST, HOST:PORT, [ADDRESS] or [ADDRESS]:PORT */
static enum cretula_err take_apart(const char *url, struct client_web *w,
				   struct cretula_error *err)
{
	const char *p = url + SCHEME_LEN, *port;
	size_t n = strcspn(p, "/"), host;
	bool v6 = p[0] == '[';
	uint64_t number = PORT_PRESET;

	if (p[n] && strcmp(p + n, "/") != 0)
		return bad_url(url, "there is a path", err);
	p += v6;
	n -= v6;
	host = strcspn(p, v6 ? "]/" : ":/");
	if (!host_ok(p, host, v6) || (v6 && p[host] != ']'))
		return bad_url(url, "there is no host in it", err);
	port = p + host + v6;
	n -= host + v6;
	if (n &&
	    (*port != ':' ||
	     num_u64(port + 1, n - 1, UINT16_MAX, &number) != OK || !number))
		return bad_url(url, "its port is none", err);
	w->host = text_of(p, host);
	ENSURE(asprintf(&w->port, "%u", (unsigned)number) > 0);
	ENSURE(asprintf(&w->authority, "%s%s%s:%s", v6 ? "[" : "", w->host,
			v6 ? "]" : "", w->port) > 0);
	return CRETULA_ERR_NONE;
}

/* A file in the agent's folder of the file view, if it is there. */
static char *in_dir(const char *name)
{
	const char *dir = secure_getenv("CRETULA_DIR");
	char *path = NULL;

	if (!dir || !dir[0])
		return NULL;
	ENSURE(asprintf(&path, "%s/%s", dir, name) > 0);
	if (!access(path, F_OK))
		return path;
	free(path);
	return NULL;
}

static char *in_variable(const char *name)
{
	const char *value = secure_getenv(name);

	return value && value[0] ? xstrdup(value) : NULL;
}

static void preset(struct client_web *w, const struct cretula_tls *tls)
{
	if (tls && tls->identity)
		w->identity = xstrdup(tls->identity);
	else if (tls && tls->agent)
		w->agent = tls->agent;
	else
		w->identity = in_variable("CRETULA_IDENTITY");
	if (!w->identity && !w->agent)
		w->identity = in_dir("bundle.pem");
	w->is_agent = w->agent || (!w->identity && client_identity_own());
	if (tls && tls->ca)
		w->root = xstrdup(tls->ca);
	else
		w->root = in_variable("CRETULA_CA_ROOT");
	if (!w->root)
		w->root = in_dir("ca.pem");
}

enum cretula_err client_web_new(const char *url, const struct cretula_tls *tls,
				struct client_web **out,
				struct cretula_error *err)
{
	struct client_web *w = xcalloc(1, sizeof *w);
	enum cretula_err e = take_apart(url, w, err);

	if (e) {
		client_web_free(w);
		return e;
	}
	preset(w, tls);
	w->fd = -1;
	buf_init(&w->in, CLIENT_WEB_IN_MAX);
	buf_init(&w->out, CLIENT_WEB_OUT_MAX);
	*out = w;
	return CRETULA_ERR_NONE;
}

void client_web_free(struct client_web *w)
{
	if (!w)
		return;
	client_tls_end(w);
	SSL_CTX_free(w->ctx);
	BIO_meth_free(w->wire);
	for (size_t i = 0; i < w->flights; i++)
		buf_wipe(&w->flight[i].frame);
	buf_wipe(&w->in);
	buf_wipe(&w->out);
	free(w->host);
	free(w->port);
	free(w->authority);
	free(w->identity);
	free(w->root);
	free(w);
}
