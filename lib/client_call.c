/* Blocking calls, and confidential values sealed for the vault on the way. Runs in
 * clients; holds what the caller gives it to seal, sealed at once. */
#include "lib/client_web.h"

#include "lib/box.h"
#include "lib/enc.h"
#include "lib/msg.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Verbs that change nothing when called twice: with ca.enrol the same CSR fetches its
 * certificate again, with credential.import the same version is there already. */
static const char *const harmless[] = {
	"run",         "credentials", "modules",         "transport",
	"status",      "slot.list",   "credential.list", "credential.show",
	"grant.list",  "grant.test",  "module.list",     "audit.show",
	"audit.notes", "audit.prove", "ca.chain",        "ca.list",
	"ca.show",     "ca.profiles", "agent.list",      "agent.show",
	"peer.list",   "peer.self",   "ca.enrol",        "credential.import",
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

static enum cretula_err pub_from_file(const struct cretula *c, uint8_t pub[32],
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

static enum cretula_err call_plain(struct cretula *c, const char *verb,
				   struct attr_view args,
				   struct cretula_answer **answer,
				   struct cretula_error *err)
{
	uint32_t id;
	enum cretula_err e = client_submit(c, verb, args, &id, err);

	return e ? e : cretula_wait(c, id, answer, err);
}

/* key=: base64, or the bytes as they are. */
static enum err pub_read(struct attr_view v, uint8_t pub[32], struct fault *f)
{
	AUTO(buf_wipe) struct buf b = { 0 };
	struct attr a;

	buf_init(&b, PUB_TEXT_MAX);
	if (attr_only(v, "key", &a) != OK ||
	    (a.len == BOX_KEY ? buf_put(&b, a.value, a.len)
			      : enc_base64_parse((const char *)a.value, a.len,
						 &b)) != OK ||
	    b.len != BOX_KEY)
		return fault_set(f, ERR_INVALID,
				 "the daemon's answer has no usable transport "
				 "key");
	memcpy(pub, b.p, BOX_KEY);
	return OK;
}

/* Asked once for a connection, unless anew. */
static enum cretula_err pub_from_daemon(struct cretula *c, bool anew,
					uint8_t pub[32],
					struct cretula_error *err)
{
	struct attr_view none = { 0 };
	struct cretula_answer *answer = NULL;
	struct client_web *w = c->web;
	enum cretula_err e = CRETULA_ERR_NONE;
	struct fault f = { 0 };

	if (!w->has_pub || anew)
		e = call_plain(c, "transport", none, &answer, err);
	if (e)
		return e;
	if (answer && pub_read(attrs_view(&answer->reply.a), w->pub, &f) != OK)
		e = client_fault(err, ERR_INTERNAL, &f);
	cretula_answer_free(answer);
	w->has_pub = !e;
	memcpy(pub, w->pub, sizeof w->pub);
	return e;
}

static enum cretula_err read_pub(struct cretula *c, bool anew, uint8_t pub[32],
				 struct cretula_error *err)
{
	return c->web ? pub_from_daemon(c, anew, pub, err)
		      : pub_from_file(c, pub, err);
}

enum cretula_err client_box(struct cretula *c, const struct attrs *list,
			    struct buf *out, struct cretula_error *err)
{
	uint8_t pub[32];
	enum cretula_err e = read_pub(c, false, pub, err);
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
	e = read_pub(c, false, before, err);
	if (!e)
		e = call_boxed(c, verb, args, box, answer, err);
	if (e != CRETULA_ERR_CONFLICT || read_pub(c, true, after, NULL) ||
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
