/* Blocking calls, and confidential values sealed for the vault on the way. Runs in
 * clients; holds what the caller gives it to seal, sealed at once. */
#include "lib/client.h"

#include "lib/box.h"
#include "lib/msg.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Verbs that change nothing when called twice. */
static const char *const harmless[] = {
	"run",         "credentials", "modules",         "transport",
	"status",      "slot.list",   "credential.list", "credential.show",
	"grant.list",  "grant.test",  "module.list",     "audit.show",
	"audit.notes", "audit.prove", "ca.chain",        "ca.list",
	"ca.show",     "ca.profiles", "agent.list",      "agent.show",
	"ca.enrol", /* the same CSR fetches its certificate again */
};

bool client_is_harmless(const char *verb)
{
	for (size_t i = 0; i < NELEM(harmless); i++)
		if (!strcmp(harmless[i], verb))
			return true;
	return false;
}

enum {
	PUB_TEXT_MAX = 512,
};

/* "transport.pub" beside the socket. */
static char *pub_path(const struct cretula *c)
{
	const char *slash = strrchr(c->path, '/');
	char *path = NULL;

	ENSURE(asprintf(&path, "%.*stransport.pub",
			slash ? (int)(slash + 1 - c->path) : 0, c->path) >= 0);
	return path;
}

static enum cretula_err read_pub(const struct cretula *c, uint8_t pub[32],
				 struct cretula_error *err)
{
	AUTO(mem_free) char *path = pub_path(c);
	AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct fault f = { 0 };
	char text[PUB_TEXT_MAX];
	ssize_t n;
	enum err e;

	n = fd < 0 ? -1 : read(fd, text, sizeof text);
	if (n < 0)
		return client_fail(err, ERR_UNAVAILABLE,
				   "the daemon's transport key '%s' cannot be "
				   "read: %s",
				   path, strerror(errno));
	e = box_pub_parse(text, (size_t)n, pub, &f);
	return e == OK ? CRETULA_ERR_NONE : client_fault(err, e, &f);
}

enum cretula_err client_box(struct cretula *c, const struct attrs *list,
			    struct buf *out, struct cretula_error *err)
{
	uint8_t pub[32];
	enum cretula_err e = read_pub(c, pub, err);
	enum err sealed;

	if (e)
		return e;
	sealed = box_seal(pub, attrs_view(list), out);
	if (sealed != OK)
		return client_fail(err, sealed,
				   "the confidential values are over the %d "
				   "bytes of one message",
				   MSG_MAX);
	return CRETULA_ERR_NONE;
}

static enum cretula_err call_plain(struct cretula *c, const char *verb,
				   struct attr_view args,
				   struct cretula_answer **answer,
				   struct cretula_error *err)
{
	uint32_t id;
	enum cretula_err e = client_submit(c, verb, args, &id, err);

	return e ? e : cretula_wait(c, id, answer, err);
}

static enum cretula_err call_boxed(struct cretula *c, const char *verb,
				   struct attr_view args,
				   const struct attrs *box,
				   struct cretula_answer **answer,
				   struct cretula_error *err)
{
	enum cretula_err e;
	struct attrs all;
	struct buf sealed;

	attrs_init(&all);
	buf_init(&sealed, MSG_MAX);
	e = client_box(c, box, &sealed, err);
	if (!e && (attrs_add_view(&all, args) != OK ||
		   attrs_add(&all, "box", 0, sealed.p, sealed.len) != OK))
		e = client_fail(err, ERR_TOO_LARGE,
				"the request is over the %d bytes of one "
				"message",
				MSG_MAX);
	if (!e)
		e = call_plain(c, verb, attrs_view(&all), answer, err);
	buf_wipe(&sealed);
	attrs_wipe(&all);
	return e;
}

enum cretula_err client_call(struct cretula *c, const char *verb,
			     struct attr_view args, const struct attrs *box,
			     struct cretula_answer **answer,
			     struct cretula_error *err)
{
	uint8_t before[32], after[32];
	enum cretula_err e;

	if (!box)
		return call_plain(c, verb, args, answer, err);
	e = read_pub(c, before, err);
	if (!e)
		e = call_boxed(c, verb, args, box, answer, err);
	if (e != CRETULA_ERR_CONFLICT || read_pub(c, after, NULL) ||
	    !memcmp(before, after, sizeof before))
		return e;
	return call_boxed(c, verb, args, box, answer, err);
}

enum cretula_err cretula_call(struct cretula *c, const char *verb,
			      const struct cretula_list *args,
			      const struct cretula_list *box,
			      struct cretula_answer **answer,
			      struct cretula_error *err)
{
	return client_call(
		c, verb, args ? attrs_view(&args->a) : (struct attr_view){ 0 },
		box ? &box->a : NULL, answer, err);
}

enum cretula_err cretula_run(struct cretula *c, const char *credential,
			     const char *op, const struct cretula_list *request,
			     struct cretula_answer **answer,
			     struct cretula_error *err)
{
	struct attrs args;
	enum cretula_err e;

	attrs_init(&args);
	if (attrs_add_str(&args, "credential", credential) != OK ||
	    attrs_add_str(&args, "op", op ? op : "sign") != OK ||
	    attrs_add(&args, "request", 0, request->a.bytes.p,
		      request->a.bytes.len) != OK)
		e = client_fail(err, ERR_TOO_LARGE,
				"the request is over the %d bytes of one "
				"message",
				MSG_MAX);
	else
		e = client_call(c, "run", attrs_view(&args), NULL, answer, err);
	attrs_wipe(&args);
	return e;
}
