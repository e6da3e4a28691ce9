/* A client's connection: where it goes, how it ends. Runs in whoever asks a daemon;
 * holds no secret but what the caller gives it to seal. */
#include "lib/client_web.h"

#include "lib/clock.h"
#include "lib/msg.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *name, *env;
} daemons[] = {
	[CLIENT_CREDD] = { "credd", "CRETULA_CREDD" },
	[CLIENT_CA] = { "ca", "CRETULA_CA" },
	[CLIENT_CERTMGR] = { "certmgr", "CRETULA_CERTMGR" },
};

_Static_assert(NELEM(daemons) == CLIENT__DAEMONS, "every daemon has an entry");

#define SAME(name)                                                             \
	_Static_assert((int)CRETULA_ERR_##name == (int)ERR_##name, #name)
SAME(DENIED);
SAME(UNAUTHENTICATED);
SAME(NOT_FOUND);
SAME(EXISTS);
SAME(INVALID);
SAME(SEALED);
SAME(EXPIRED);
SAME(LIMITED);
SAME(CONFLICT);
SAME(PENDING);
SAME(UNAVAILABLE);
SAME(TIMEOUT);
SAME(MODULE_FAILED);
SAME(TOO_LARGE);
SAME(UNSUPPORTED);
SAME(INTERNAL);
_Static_assert((int)CRETULA_ERR_INTERNAL + 1 == (int)E__MAX,
	       "the public errors are the errors");

const char *cretula_err_name(enum cretula_err e)
{
	return (unsigned)e < E__MAX ? err_name((enum err)e) : "internal";
}

enum cretula_err client_fail(struct cretula_error *err, enum err code,
			     const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return (enum cretula_err)code;
	*err = (struct cretula_error){ .code = (enum cretula_err)code,
				       .reached = 1 };
	va_start(ap, fmt);
	(void)vsnprintf(err->text, sizeof err->text, fmt, ap);
	va_end(ap);
	return err->code;
}

enum cretula_err client_fault(struct cretula_error *err, enum err code,
			      const struct fault *f)
{
	return client_fail(err, code, "%s",
			   f->text[0] ? f->text : err_name(code));
}

const char *client_name(enum client_daemon d)
{
	return daemons[d].name;
}

const char *client_env(enum client_daemon d)
{
	return daemons[d].env;
}

/* The socket when nobody says which. */
static char *default_path(enum client_daemon d)
{
	const char *run = secure_getenv("XDG_RUNTIME_DIR");
	char *path = NULL;

	if (geteuid() != 0 && run && run[0] == '/') {
		ENSURE(asprintf(&path, "%s/cretula/%s/api.sock", run,
				daemons[d].name) >= 0);
		if (!access(path, F_OK))
			return path;
		free(path);
	}
	ENSURE(asprintf(&path, "/run/cretula/%s/api.sock", daemons[d].name) >=
	       0);
	return path;
}

static enum cretula_err path_parse(enum client_daemon d, const char *text,
				   char **out, struct cretula_error *err)
{
	if (!strncmp(text, "unix://", 7))
		text += 7;
	if (!strncmp(text, "http://", 7))
		return client_fail(err, ERR_UNSUPPORTED,
				   "%s at '%s': nothing is said in the clear: "
				   "https://HOST:PORT, or the path of a socket",
				   daemons[d].name, text);
	if (!text[0])
		return client_fail(err, ERR_INVALID,
				   "the path of %s's socket is empty",
				   daemons[d].name);
	*out = xstrdup(text);
	return CRETULA_ERR_NONE;
}

enum cretula_err client_path(enum client_daemon d, const char *path, bool admin,
			     char **out, struct cretula_error *err)
{
	AUTO(mem_free) char *api = NULL;
	enum cretula_err e;
	char *slash;

	if (!path)
		path = secure_getenv(daemons[d].env);
	if (path) {
		e = path_parse(d, path, &api, err);
		if (e)
			return e;
	} else {
		api = default_path(d);
	}
	if (!admin || client_is_url(api)) {
		*out = xstrdup(api);
		return CRETULA_ERR_NONE;
	}
	slash = strrchr(api, '/');
	ENSURE(asprintf(out, "%.*sadmin.sock",
			slash ? (int)(slash + 1 - api) : 0, api) >= 0);
	return CRETULA_ERR_NONE;
}

static enum cretula_err open_at(enum client_daemon d, char *path,
				const struct cretula_tls *tls,
				struct cretula **out, struct cretula_error *err)
{
	struct cretula *c = xcalloc(1, sizeof *c);
	enum cretula_err e = CRETULA_ERR_NONE;

	c->daemon = d;
	c->path = path;
	c->fd = -1;
	c->timeout_ms = CLIENT_TIMEOUT_MS;
	buf_init(&c->in, 4 + MSG_MAX + CLIENT_GULP);
	buf_init(&c->out, CLIENT_OUT_MAX);
	if (client_is_url(path))
		e = client_web_new(path, tls, &c->web, err);
	if (!e)
		e = client_connect(c, false, client_deadline(c), err);
	if (e) {
		cretula_close(c);
		return e;
	}
	*out = c;
	return CRETULA_ERR_NONE;
}

enum cretula_err client_open(enum client_daemon d, const char *path, bool admin,
			     struct cretula **c, struct cretula_error *err)
{
	char *at = NULL;
	enum cretula_err e = client_path(d, path, admin, &at, err);

	return e ? e : open_at(d, at, NULL, c, err);
}

enum cretula_err client_open_tls(enum client_daemon d, const char *url,
				 const struct cretula_tls *tls,
				 struct cretula **c, struct cretula_error *err)
{
	AUTO(mem_free) char *at = NULL;
	enum cretula_err e = client_path(d, url, false, &at, err);

	if (e)
		return e;
	if (!client_is_url(at))
		return client_fail(err, ERR_INVALID,
				   "'%s' is no https://HOST:PORT", at);
	return open_at(d, xstrdup(at), tls, c, err);
}

enum cretula_err cretula_open_tls(const char *url,
				  const struct cretula_tls *tls,
				  struct cretula **c, struct cretula_error *err)
{
	return client_open_tls(CLIENT_CREDD, url, tls, c, err);
}

enum cretula_err cretula_open(const char *path, struct cretula **c,
			      struct cretula_error *err)
{
	return client_open(CLIENT_CREDD, path, false, c, err);
}

enum cretula_err cretula_open_admin(const char *path, struct cretula **c,
				    struct cretula_error *err)
{
	return client_open(CLIENT_CREDD, path, true, c, err);
}

void cretula_close(struct cretula *c)
{
	if (!c)
		return;
	client_web_free(c->web);
	fd_close(&c->fd);
	for (size_t i = 0; i < NELEM(c->call); i++) {
		buf_wipe(&c->call[i].frame);
		cretula_answer_free(c->call[i].answer);
	}
	buf_wipe(&c->in);
	buf_wipe(&c->out);
	free(c->path);
	free(c);
}

void cretula_timeout(struct cretula *c, int ms)
{
	c->timeout_ms = ms;
}

uint64_t client_deadline(const struct cretula *c)
{
	if (c->timeout_ms < 0)
		return UINT64_MAX;
	return clock_boot() + (unsigned)c->timeout_ms * CLOCK_MS;
}

int client_poll_ms(uint64_t deadline)
{
	uint64_t now;

	if (deadline == UINT64_MAX)
		return -1;
	now = clock_boot();
	if (now >= deadline)
		return 0;
	return (int)MIN((deadline - now + CLOCK_MS - 1) / CLOCK_MS, 1u << 30);
}

int cretula_fd(const struct cretula *c)
{
	return c->fd;
}
