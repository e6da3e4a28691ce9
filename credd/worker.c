/* Worker: one module, one credential, one channel; no files, no network, no other
 * process in sight. Reads all there is, answers all of it, writes once.
 *	worker -> vault	VW_READY declaration= | VW_FAILED (id 0) if there is none
 *	vault -> worker	VW_CREDENTIAL; VW_RUN, VW_FACTS, VW_CHECK id op= now= request=
 *	worker -> vault	VW_REPLY id … | VW_MORE id … | VW_FAILED id error= text= */
#include "credd/worker.h"

#include "credd/host.h"
#include "credd/kinds.h"
#include "lib/msg.h"
#include "lib/secret.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>
#include <unistd.h>

enum {
	GULP = 64 << 10,      /* room made before each read */
	OUT_WRITE = 24 << 10, /* written early beyond this */
	OP_MAX = ATTR_NAME_MAX,
};

enum worker_exit {
	EXIT_DONE = 0,
	EXIT_MODULE = 65, /* the module could not be loaded */
	EXIT_VAULT = 66,  /* the vault broke the dialogue */
};

struct worker {
	int fd;
	struct host *host;
	struct buf in;  /* secret: the credential comes this way */
	struct buf out; /* secret: some operations reveal */
	struct attrs reply;
};

static enum err write_all(int fd, struct buf *b)
{
	size_t done = 0;

	while (done < b->len) {
		ssize_t n = write(fd, b->p + done, b->len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return ERR_UNAVAILABLE;
		done += (size_t)n;
	}
	secret_zero(b->p, b->len);
	b->len = 0;
	return OK;
}

static enum err put_failed(struct buf *out, uint64_t id, enum err error,
			   const char *text, bool tripwire)
{
	struct attrs a;
	enum err e;

	attrs_init(&a);
	e = attrs_add_str(&a, "error", err_name(error));
	if (e == OK)
		e = attrs_add_str(&a, "text", text);
	if (e == OK && tripwire)
		e = attrs_add_str(&a, "tripwire", "yes");
	if (e == OK)
		e = msg_put(out, VW_FAILED, id, attrs_view(&a));
	attrs_wipe(&a);
	return e;
}

void worker_refuse(int chan, const struct fault *f)
{
	struct buf b;

	buf_init(&b, MSG_MAX);
	if (put_failed(&b, 0, f->code, f->text, false) == OK)
		(void)write_all(chan, &b);
	buf_wipe(&b);
}

/* What VW_RUN and VW_FACTS carry. */
struct request {
	char op[OP_MAX + 1];
	int64_t now;
	struct attr_view list;
};

static enum err request_parse(const struct msg *m, struct request *r)
{
	struct attr a;
	uint64_t now;

	TRY(attr_only(m->attrs, "op", &a));
	if (a.len > OP_MAX || (a.len && memchr(a.value, 0, a.len)))
		return ERR_INVALID;
	memcpy(r->op, a.value, a.len);
	r->op[a.len] = 0;
	TRY(attr_only(m->attrs, "now", &a));
	TRY(attr_u64(&a, INT64_MAX, &now));
	r->now = (int64_t)now;
	TRY(attr_only(m->attrs, "request", &a));
	return attr_parse(a.value, a.len, &r->list, NULL);
}

static int64_t now_of(const struct msg *m)
{
	struct attr a;
	uint64_t now = 0;

	if (attr_only(m->attrs, "now", &a) != OK ||
	    attr_u64(&a, INT64_MAX, &now) != OK)
		return 0;
	return (int64_t)now;
}

static enum err answer(struct worker *w, const struct msg *m, enum err e,
		       const struct host_end *end)
{
	if (e != OK)
		return put_failed(&w->out, m->id, e, end->fault.text,
				  end->tripwire);
	return msg_put(&w->out, end->more ? VW_MORE : VW_REPLY, m->id,
		       attrs_view(&w->reply));
}

static enum err on_request(struct worker *w, const struct msg *m)
{
	struct host_end end;
	struct request r;
	enum err e;

	TRY(request_parse(m, &r));
	if (m->kind == VW_RUN)
		e = host_run(w->host, m->id, r.op, r.now, r.list, &w->reply,
			     &end);
	else
		e = host_facts(w->host, r.op, r.now, r.list, &w->reply, &end);
	return answer(w, m, e, &end);
}

static enum err on_check(struct worker *w, const struct msg *m)
{
	struct host_end end;
	enum err e;

	attrs_clear(&w->reply);
	e = host_check(w->host, now_of(m), &end);
	return answer(w, m, e, &end);
}

/* An error ends the worker: the vault does not say such things. */
static enum err on_msg(struct worker *w, const struct msg *m)
{
	struct fault f;

	switch (m->kind) {
	case VW_CREDENTIAL:
		return host_credential(w->host, m->attrs, &f);
	case VW_RUN:
	case VW_FACTS:
		return on_request(w, m);
	case VW_CHECK:
		return on_check(w, m);
	default:
		return ERR_INVALID;
	}
}

/* Every whole message there is. */
static enum err take_all(struct worker *w)
{
	struct msg m;
	size_t used, done = 0;
	enum err e;

	for (;;) {
		e = msg_get(w->in.p + done, w->in.len - done, &m, &used, NULL);
		if (e != OK)
			break;
		done += used;
		TRY(on_msg(w, &m));
		if (w->out.len > OUT_WRITE)
			TRY(write_all(w->fd, &w->out));
	}
	if (e != ERR_PENDING)
		return e;
	buf_drop(&w->in, done);
	return w->out.len ? write_all(w->fd, &w->out) : OK;
}

static int serve(struct worker *w)
{
	for (;;) {
		ssize_t n;

		if (buf_reserve(&w->in, GULP) != OK)
			return EXIT_VAULT;
		n = read(w->fd, w->in.p + w->in.len, w->in.cap - w->in.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return EXIT_DONE;
		w->in.len += (size_t)n;
		if (take_all(w) != OK)
			return EXIT_VAULT;
	}
}

/* OpenSSL sees a fork by the pid alone. Workers are pid 1 of their namespaces, and so
 * may the zygote be, in a container: then all would draw the same numbers. */
static bool reseed(void)
{
	return EVP_RAND_reseed(RAND_get0_public(NULL), 1, NULL, 0, NULL, 0) &&
	       EVP_RAND_reseed(RAND_get0_private(NULL), 1, NULL, 0, NULL, 0);
}

static enum err say_ready(struct worker *w, struct fault *f)
{
	struct attrs list, ready;
	enum err e;

	attrs_init(&list);
	attrs_init(&ready);
	e = host_declare(w->host, &list, f);
	if (e == OK)
		e = attrs_add(&ready, "declaration", 0, list.bytes.p,
			      list.bytes.len);
	if (e == OK)
		e = msg_put(&w->out, VW_READY, 0, attrs_view(&ready));
	attrs_wipe(&list);
	attrs_wipe(&ready);
	return e == OK ? write_all(w->fd, &w->out) : e;
}

static enum err load(struct worker *w, const struct worker_start *s,
		     struct fault *f)
{
	TRY(host_load(s->path, &w->host, f));
	if (s->filter)
		TRY(confine_filter_load(s->filter, f));
	if (!reseed())
		return fault_set(f, ERR_INTERNAL,
				 "the random generators cannot be seeded");
	return say_ready(w, f);
}

int worker_main(const struct worker_start *s)
{
	struct worker w = { .fd = s->chan };
	struct fault f = { .code = ERR_MODULE_FAILED };
	int code;

	buf_init_secret(&w.in, 4 + MSG_MAX + GULP);
	buf_init_secret(&w.out, OUT_WRITE + 4 + MSG_MAX);
	attrs_init(&w.reply);
	if (load(&w, s, &f) != OK) {
		worker_refuse(s->chan, &f);
		return EXIT_MODULE;
	}
	code = serve(&w);
	host_free(w.host);
	buf_wipe(&w.in);
	buf_wipe(&w.out);
	attrs_wipe(&w.reply);
	return code;
}
