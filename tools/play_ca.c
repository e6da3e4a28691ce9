/* Part of the playground's keeper: a CA for `example` and `localhost`, at free ports of
 * the loopback address, and waiting until all of it serves. Holds its root key's
 * passphrase, which is in a file of the folder as well. */
#include "tools/ca.h"
#include "tools/play.h"
#include "tools/web.h"

#include "lib/clock.h"
#include "lib/pem.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#define LOOPBACK "127.0.0.1:"

static enum err conf_attrs(const struct play *p, struct attrs *conf)
{
	static const struct {
		const char *name, *value;
	} same[] = {
		{ "listen", LOOPBACK "0" },   { "listen_http", LOOPBACK "0" },
		{ "default_profile", "yes" }, { "probe_loopback", "yes" },
		{ "tls_names", "localhost" },
	};

	TRY(attrs_add_fmt(conf, "run", "%s/ca/run", p->folder));
	TRY(attrs_add_fmt(conf, "state", "%s/ca/state", p->folder));
	TRY(attrs_add_fmt(conf, "profiles", "%s/ca/profiles", p->folder));
	for (size_t i = 0; i < NELEM(same); i++)
		TRY(attrs_add_str(conf, same[i].name, same[i].value));
	return OK;
}

bool play_ca_prepare(struct play *p)
{
	struct attrs conf;
	bool done;

	if (!play_has(p, "ca"))
		return true;
	attrs_init(&conf);
	done = play_make_dir(p, "ca", 0755) &&
	       play_make_dir(p, "ca/run", 0755) &&
	       play_make_dir(p, "ca/state", 0700) &&
	       play_make_dir(p, "ca/profiles", 0755) &&
	       play_remote_profiles(p) && conf_attrs(p, &conf) == OK &&
	       play_write_conf(p, "ca", attrs_view(&conf));
	attrs_wipe(&conf);
	(void)snprintf(p->ca_api, sizeof p->ca_api, "%s/ca/run/api.sock",
		       p->folder);
	(void)snprintf(p->ca_root, sizeof p->ca_root, "%s/ca/root.pem",
		       p->folder);
	return done;
}

int play_said(const struct cretula_error *err, const char *what)
{
	cli_say("the playground's %s failed: %s", what, err->text);
	return PLAY_FAILED;
}

static int make_ca(const struct play *p, struct cretula *c)
{
	struct cretula_list *args = cretula_list_new();
	struct cretula_list *box = cretula_list_new_secret();
	struct cretula_answer *answer = NULL;
	struct cretula_error err = { 0 };
	struct buf pass;
	int rc = 0;

	buf_init_secret(&pass, 256);
	if (!play_passphrase(p, "ca/passphrase", &pass) ||
	    cretula_list_add_str(args, "domain", "example") ||
	    cretula_list_add_str(args, "domain", "localhost") ||
	    cretula_list_add_str(args, "key_type", "p256") ||
	    cretula_list_add(box, "passphrase", pass.p, pass.len) ||
	    cretula_call(c, "ca.init", args, box, &answer, &err))
		rc = play_said(&err, "ca.init");
	cretula_answer_free(answer);
	buf_wipe(&pass);
	cretula_list_free(box);
	cretula_list_free(args);
	return rc;
}

/* The port at the end of attribute `name`, after `before`. */
static bool take_port(struct attr_view v, const char *name, const char *before,
		      char *out, size_t size)
{
	const size_t n = sizeof LOOPBACK - 1;
	struct attr a;

	if (!attr_find(v, name, &a) || a.len <= n ||
	    memcmp(a.value, LOOPBACK, n))
		return false;
	(void)snprintf(out, size, "%s%.*s", before, (int)(a.len - n),
		       (const char *)a.value + n);
	return true;
}

static bool keep_root(const struct play *p, struct span root)
{
	struct buf b;
	bool done;

	buf_init(&b, CLI_FILE_MAX);
	done = pem_put("CERTIFICATE", root, &b) == OK &&
	       play_write_file(p, "ca/root.pem", b.p, b.len, 0644);
	buf_wipe(&b);
	return done;
}

static int take_chain(struct play *p, struct cretula *c)
{
	struct cretula_answer *chain = NULL;
	struct cretula_error err;
	struct attr_view v;
	struct attr root;
	bool done;

	if (cretula_call(c, "ca.chain", NULL, NULL, &chain, &err))
		return play_said(&err, "ca.chain");
	v = attrs_view(&chain->reply.a);
	done = attr_find(v, "root", &root) &&
	       take_port(v, "https", "https://localhost:", p->ca_url,
			 sizeof p->ca_url) &&
	       take_port(v, "http", "http://" LOOPBACK, p->ca_http,
			 sizeof p->ca_http) &&
	       keep_root(p, span_of(root.value, root.len));
	cretula_answer_free(chain);
	if (done)
		return 0;
	cli_say("the playground cannot be set up: ca does not say what its "
		"root certificate and its ports are");
	return PLAY_FAILED;
}

/* Readiness. What has to be there tells nobody when it is: it is asked for. */

bool play_calm(struct cretula *c, char *why, size_t size)
{
	struct cretula_answer *status = NULL;
	struct cretula_error err;
	struct attr a;
	bool is;

	if (cretula_call(c, "status", NULL, NULL, &status, &err)) {
		(void)snprintf(why, size, "%s", err.text);
		return false;
	}
	is = !attr_find(attrs_view(&status->reply.a), "attention", &a);
	if (!is)
		(void)snprintf(why, size, "%.*s", (int)a.len,
			       (const char *)a.value);
	cretula_answer_free(status);
	return is;
}

static bool lists_are_there(struct cretula *c, char *why, size_t size)
{
	struct cretula_answer *lists = NULL;
	struct cretula_error err;
	struct attr a;
	bool all = true;

	if (cretula_call(c, "ca.crl", NULL, NULL, &lists, &err)) {
		(void)snprintf(why, size, "%s", err.text);
		return false;
	}
	for (unsigned i = 0; i < lists->count; i++)
		all &= attr_find(attrs_view(&lists->item[i].a), "number", &a);
	if (!all)
		(void)snprintf(why, size, "a revocation list is missing");
	cretula_answer_free(lists);
	return all;
}

bool play_serves(const struct play *p, const char *base, char *why, size_t size)
{
	char url[sizeof p->ca_url + 8];
	struct web w = { .url = url,
			 .ca_file = p->ca_root,
			 .max = WEB_PEM_MAX,
			 .seconds = PLAY_READY_MS / 1000 };
	struct fault f = { 0 };
	struct buf body;
	bool good, reached;

	(void)snprintf(url, sizeof url, "%s/readyz", base);
	buf_init(&body, 2 * WEB_PEM_MAX);
	good = web_fetch(&w, &body, &reached, &f) == OK;
	buf_wipe(&body);
	if (!good)
		(void)snprintf(why, size, "%s", f.text);
	return good;
}

int play_look_again(struct keep *k, const struct play_daemon *d)
{
	struct pollfd w[] = { { .fd = d->fd, .events = POLLIN },
			      { .fd = k->signal_fd, .events = POLLIN },
			      { .fd = k->p->parent_fd, .events = POLLIN } };

	(void)poll(w, NELEM(w), PLAY_LOOK_MS);
	if (w[1].revents && play_forward(k->signal_fd, 0, &k->sig))
		return 128 + k->sig;
	if (!w[0].revents && !w[2].revents)
		return 0;
	if (w[0].revents)
		play_daemon_log(k->p, d->name);
	return PLAY_FAILED;
}

static int wait_serving(struct keep *k, const struct play_daemon *d,
			struct cretula *c)
{
	uint64_t deadline = clock_boot() + PLAY_READY_MS * CLOCK_MS;
	char why[FAULT_TEXT_MAX] = "";
	int rc = 0;

	while (!play_calm(c, why, sizeof why) ||
	       !lists_are_there(c, why, sizeof why) ||
	       !play_serves(k->p, k->p->ca_url, why, sizeof why)) {
		rc = play_look_again(k, d);
		if (rc)
			return rc;
		if (clock_boot() < deadline)
			continue;
		cli_say("ca does not serve in time: %s; its log:", why);
		play_daemon_log(k->p, d->name);
		return PLAY_FAILED;
	}
	return 0;
}

int play_ca_fill(struct keep *k, struct play_daemon *d)
{
	struct cretula *c = NULL;
	struct cretula_error err;
	int rc;

	if (client_open(CLIENT_CA, k->p->ca_api, true, &c, &err))
		return play_said(&err, "connection to ca");
	rc = make_ca(k->p, c);
	if (!rc)
		rc = take_chain(k->p, c);
	if (rc)
		play_daemon_log(k->p, d->name);
	else
		rc = wait_serving(k, d, c);
	/* Its verifier waits for the root, which is there now. */
	(void)kill(k->daemon[0].pid, SIGHUP);
	cretula_close(c);
	return rc;
}
