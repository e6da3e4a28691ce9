/* View: open files. An open is judged in full, then keeper is asked; what it answers is
 * the content of that one open file, in secret memory, until it is closed or the agent
 * is gone. An open without an answer waits, bounded, for a keeper that is being started
 * anew. */
#include "certmgr/view_fuse.h"

#include "lib/child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum {
	SPARE_MAX = 16, /* closed ones whose memory is kept, wiped */
};

enum handle_state {
	WAITING, /* keeper is to be asked */
	ASKED,
	OPEN,
};

struct view_handle {
	struct view_agent *agent;  /* NULL: it is gone */
	struct view_handle *next;  /* of the same agent, or spare */
	struct view_handle *later; /* in the queue */
	struct view_handle *other; /* of any agent; those in use */
	uid_t uid;                 /* who opened it */
	enum handle_state state;
	enum view_file file;
	uint64_t ino;
	char name[AGENT_ID_LEN + 1];
	bool interrupted;
	uint64_t id;    /* of the question */
	uint64_t until; /* waits no longer */
	fuse_req_t req;
	struct fuse_file_info fi;
	struct procinfo who;
	struct buf content;
	size_t locked; /* bytes of memory, as counted */
};

/* Who waits, in the order in which they came. */
static struct {
	struct view_handle *first, **end;
	struct loop_timer timer;
	struct loop_work interrupts;
} queue;

static struct view_handle *spare, *used;
static size_t spares, handles, bytes;
static uint64_t last_id;

/* Handles */

static struct view_handle *handle_new(struct view_agent *a, uint64_t ino,
				      enum view_file file, uid_t uid)
{
	struct view_handle *h = spare;

	if (h) {
		spare = h->next;
		spares--;
	} else {
		h = xcalloc(1, sizeof *h);
		buf_init_secret(&h->content, VIEW_CONTENT_MAX);
	}
	h->agent = a;
	h->ino = ino;
	memcpy(h->name, a->id, sizeof h->name);
	h->uid = uid;
	h->other = used;
	used = h;
	h->file = file;
	h->state = WAITING;
	h->interrupted = false;
	h->next = a->handles;
	a->handles = h;
	a->handle_count++;
	handles++;
	return h;
}

/* The content goes; the file may stay open without. */
static void handle_wipe(struct view_handle *h)
{
	struct view_handle **at;

	bytes -= h->locked;
	h->locked = 0;
	if (h->content.cap > VIEW_PAGE)
		buf_wipe(&h->content);
	buf_clear(&h->content);
	if (!h->agent)
		return;
	for (at = &h->agent->handles; *at != h;)
		at = &(*at)->next;
	*at = h->next;
	h->agent->handle_count--;
	h->agent = NULL;
}

static void handle_free(struct view_handle *h)
{
	struct view_handle **at = &used;

	handle_wipe(h);
	while (*at != h)
		at = &(*at)->other;
	*at = h->other;
	handles--;
	if (spares == SPARE_MAX) {
		buf_wipe(&h->content);
		free(h);
		return;
	}
	h->next = spare;
	spare = h;
	spares++;
}

bool view_open_size(const struct view_agent *a, uint64_t ino, uint64_t *size)
{
	for (const struct view_handle *h = a->handles; h; h = h->next) {
		if (h->state != OPEN || h->ino != ino)
			continue;
		*size = h->content.len;
		return true;
	}
	return false;
}

/* The queue */

static void queue_arm(void)
{
	if (queue.first)
		loop_arm(view.loop, &queue.timer, queue.first->until);
	else
		loop_disarm(&queue.timer);
}

static void queue_add(struct view_handle *h)
{
	h->until = loop_now(view.loop) + VIEW_OPEN_TIME;
	h->later = NULL;
	*queue.end = h;
	queue.end = &h->later;
	if (queue.first == h)
		queue_arm();
}

static void queue_drop(struct view_handle *h)
{
	struct view_handle **at = &queue.first;

	while (*at != h)
		at = &(*at)->later;
	*at = h->later;
	if (queue.end == &h->later)
		queue.end = at;
	if (at == &queue.first)
		queue_arm();
}

static void refuse(struct view_handle *h, int error)
{
	queue_drop(h);
	view_no(h->req, error);
	handle_free(h);
}

static void waited(struct loop_timer *t)
{
	uint64_t now = loop_now(view.loop);

	(void)t;
	while (queue.first && queue.first->until <= now)
		refuse(queue.first,
		       queue.first->state == ASKED ? ETIMEDOUT : EAGAIN);
}

/* A signal for the caller. An answer of keeper's comes in a moment and is worth that;
 * keeper itself may take longer to come. */
static void end_interrupted(struct loop_work *w)
{
	struct view_handle *h, *next;

	(void)w;
	for (h = queue.first; h; h = next) {
		next = h->later;
		if (h->interrupted && h->state == WAITING)
			refuse(h, EINTR);
	}
}

/* libfuse is in the middle of it: the answer is given at the end of the turn. */
static void interrupted(fuse_req_t req, void *arg)
{
	struct view_handle *h = arg;

	(void)req;
	h->interrupted = true;
	loop_defer(view.loop, &queue.interrupts);
}

void view_opens_init(void)
{
	queue.end = &queue.first;
	queue.timer.on = waited;
	queue.interrupts.on = end_interrupted;
}

/* Asking keeper */

static void ask(struct view_handle *h)
{
	struct attrs a;

	if (!chan_is_open(&view.keeper) || h->agent->stale)
		return;
	h->id = ++last_id;
	attrs_init(&a);
	ENSURE(attrs_add_str(&a, "agent", h->agent->id) == OK);
	ENSURE(attrs_add_str(&a, "file", view_file_word(h->file)) == OK);
	ENSURE(procinfo_format(&h->who, &a) == OK);
	if (chan_send(&view.keeper, KV_OPEN, h->id, attrs_view(&a)) == OK)
		h->state = ASKED;
	attrs_wipe(&a);
}

void view_opens_ask(struct view_agent *a)
{
	for (struct view_handle *h = a->handles; h; h = h->next)
		if (h->state == WAITING)
			ask(h);
}

void view_opens_wait(void)
{
	for (struct view_handle *h = queue.first; h; h = h->later)
		h->state = WAITING;
	loop_defer(view.loop, &queue.interrupts);
}

void view_opens_end(struct view_agent *a)
{
	struct view_handle *next;

	for (struct view_handle *h = a->handles; h; h = next) {
		next = h->next;
		if (h->state == OPEN)
			handle_wipe(h);
		else
			refuse(h, EKEYREVOKED);
	}
}

/* Its answers */

static int errno_of(const struct msg *m)
{
	enum err e;
	struct attr a;

	if (attr_only(m->attrs, "error", &a) != OK ||
	    err_parse((const char *)a.value, a.len, &e) != OK)
		return EIO;
	if (e == ERR_NOT_FOUND)
		return ENOENT;
	if (e == ERR_DENIED || e == ERR_UNAUTHENTICATED)
		return EACCES;
	if (e == ERR_EXPIRED)
		return EKEYEXPIRED;
	if (e == ERR_CONFLICT)
		return EKEYREVOKED;
	if (e == ERR_PENDING || e == ERR_LIMITED || e == ERR_UNAVAILABLE ||
	    e == ERR_TIMEOUT)
		return EAGAIN;
	return EIO;
}

static void give(struct view_handle *h, const struct attr *content)
{
	size_t pages = (content->len + VIEW_PAGE - 1) / VIEW_PAGE;

	if (!view_ino_is_present(h->agent, h->ino)) {
		refuse(h, ESTALE);
		return;
	}
	if (bytes + pages * VIEW_PAGE > VIEW_BYTES) {
		refuse(h, ENFILE);
		return;
	}
	ENSURE(buf_put(&h->content, content->value, content->len) == OK);
	h->locked = pages * VIEW_PAGE;
	bytes += h->locked;
	queue_drop(h);
	h->state = OPEN;
	/* ENOENT: the caller has gone, and nobody will close it */
	if (fuse_reply_open(h->req, &h->fi))
		handle_free(h);
}

bool view_open_answered(const struct msg *m)
{
	struct view_handle *h = queue.first;
	struct attr content;

	while (h && (h->state != ASKED || h->id != m->id))
		h = h->later;
	if (m->kind == KV_CONTENT &&
	    (attr_only(m->attrs, "content", &content) != OK ||
	     content.len > VIEW_CONTENT_MAX))
		return false;
	if (!h) /* it came too late */
		return true;
	if (m->kind == KV_CONTENT)
		give(h, &content);
	else
		refuse(h, errno_of(m));
	return true;
}

/* What the kernel asks */

static bool has_certificate(const struct view_agent *a)
{
	for (unsigned i = 0; i < VIEW_FILES; i++)
		if (a->size[i])
			return true;
	return false;
}

/* Whatever agents it has, one user leaves room for the others. */
static bool has_too_many(uid_t uid)
{
	size_t n = 0;

	for (const struct view_handle *h = used; h; h = h->other)
		n += h->uid == uid;
	return n >= VIEW_HANDLES_USER;
}

/* 0, or why it cannot be opened. */
static int may_open(fuse_req_t req, struct view_agent *a, fuse_ino_t ino,
		    struct procinfo *who)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);

	if (!a)
		return ENOENT;
	if (!view_may_open(a, ctx->pid, ctx->uid, who)) {
		if (a->owner)
			view_denied(a->id, ctx->pid);
		return ENOENT;
	}
	if (a->gone) {
		view_denied(a->id, ctx->pid);
		return EKEYREVOKED;
	}
	if (!view_ino_is_present(a, ino))
		return ESTALE;
	if (!has_certificate(a))
		return EAGAIN;
	if (handles == VIEW_HANDLES)
		return ENFILE;
	if (a->handle_count == VIEW_HANDLES_AGENT || has_too_many(ctx->uid))
		return EMFILE;
	return 0;
}

void view_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct view_agent *a = view_agent_of(ino);
	struct view_handle *h;
	struct procinfo who;
	enum view_file file;
	int no;

	if (!view_is_file(ino, &file))
		no = EISDIR;
	else if ((fi->flags & O_ACCMODE) != O_RDONLY)
		no = EROFS;
	else
		no = may_open(req, a, ino, &who);
	if (no) {
		view_no(req, no);
		return;
	}
	h = handle_new(a, ino, file, fuse_req_ctx(req)->uid);
	h->who = who;
	h->req = req;
	h->fi = *fi;
	h->fi.fh = (uintptr_t)h;
	h->fi.direct_io = 1;
	h->fi.noflush = 1;
	queue_add(h);
	fuse_req_interrupt_func(req, interrupted, h);
	ask(h);
}

void view_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
	       struct fuse_file_info *fi)
{
	const struct view_handle *h = (struct view_handle *)(uintptr_t)fi->fh;
	size_t from;

	(void)ino;
	if (!h->agent) {
		view_denied(h->name, fuse_req_ctx(req)->pid);
		view_no(req, EKEYREVOKED);
		return;
	}
	from = MIN((size_t)MAX(off, 0), h->content.len);
	(void)fuse_reply_buf(req, (const char *)h->content.p + from,
			     MIN(size, h->content.len - from));
}

void view_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	handle_free((struct view_handle *)(uintptr_t)fi->fh);
	view_no(req, 0);
}
