/* View: the file system as the kernel asks for it: a root that shows each caller the
 * folders it may see, and the five files in each. The kernel keeps neither a folder nor
 * anything about a file: every path is judged again, at its folder. Only that a folder
 * it was let into has a file of that name it need not ask twice in a second. Nothing can
 * be written: the mount is read-only, and the kernel itself says EROFS. */
#include "certmgr/view_fuse.h"

#include "lib/child.h"
#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	ROOT_MODE = S_IFDIR | 0555,
	FOLDER_MODE = S_IFDIR | 0500,
	FILE_MODE = S_IFREG | 0400,
	FOLDER = 0, /* place of a folder among its inodes; files follow it */
	FILE_FIRST = 1,
	PLACE_MASK = 7,
	LIST_ROOM = 4096,
	DOTS = 2, /* entries of every folder: . and .. */
	BLOCK = 512,
	LOG_LINE = 256,
};

/* Seconds; names in a folder never change. */
#define NAME_TIME 1.0

static struct fuse_session *session;
static struct loop_fd device;
static struct fuse_buf request; /* its room is libfuse's, used again */

void view_no(fuse_req_t req, int error)
{
	(void)fuse_reply_err(req, error);
}

bool view_is_file(fuse_ino_t ino, enum view_file *file)
{
	unsigned place = ino & PLACE_MASK;

	if (ino == FUSE_ROOT_ID || place < FILE_FIRST ||
	    place >= FILE_FIRST + VIEW_FILES)
		return false;
	*file = (enum view_file)(place - FILE_FIRST);
	return true;
}

/* Attributes */

static void root_attr(struct stat *st)
{
	*st = (struct stat){ .st_ino = FUSE_ROOT_ID,
			     .st_mode = ROOT_MODE,
			     .st_nlink = 2 };
}

static uint64_t size_of(const struct view_agent *a, fuse_ino_t ino)
{
	enum view_file file;
	uint64_t size;

	if (!view_is_file(ino, &file))
		return 0;
	if (!view_ino_is_present(a, ino) && view_open_size(a, ino, &size))
		return size;
	return a->size[file];
}

/* Everybody who sees it has the agent's uid, and the kernel says which that is. */
static void agent_attr(fuse_req_t req, const struct view_agent *a,
		       fuse_ino_t ino, struct stat *st)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	enum view_file file;

	*st = (struct stat){ .st_ino = ino,
			     .st_mode = FOLDER_MODE,
			     .st_nlink = 2,
			     .st_uid = ctx->uid,
			     .st_gid = ctx->gid,
			     .st_mtim.tv_sec = a->changed,
			     .st_ctim.tv_sec = a->changed,
			     .st_atim.tv_sec = a->changed };
	if (!view_is_file(ino, &file))
		return;
	st->st_mode = FILE_MODE;
	st->st_nlink = 1;
	st->st_size = (off_t)size_of(a, ino);
	st->st_blocks = (blkcnt_t)((st->st_size + BLOCK - 1) / BLOCK);
}

static bool may_see(fuse_req_t req, const struct view_agent *a)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);

	return a && view_may_see(a, ctx->pid, ctx->uid);
}

/* Whoever has a file open was let in, or was given it by one who was: either may ask
 * how large it is. */
static bool is_open(const struct view_agent *a, fuse_ino_t ino)
{
	uint64_t size;

	return a && a->owner && view_open_size(a, ino, &size);
}

static void getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	const struct view_agent *a = view_agent_of(ino);
	struct stat st;

	(void)fi;
	if (ino == FUSE_ROOT_ID) {
		root_attr(&st);
	} else if (is_open(a, ino)) {
		agent_attr(req, a, ino, &st);
	} else if (!may_see(req, a)) {
		view_no(req, ENOENT);
		return;
	} else if (a->gone) {
		view_no(req, EKEYREVOKED);
		return;
	} else if (!view_ino_is_present(a, ino)) {
		/* the kernel then asks for the name anew */
		view_no(req, ESTALE);
		return;
	} else {
		agent_attr(req, a, ino, &st);
	}
	(void)fuse_reply_attr(req, &st, 0);
}

/* Names */

/* The agent and the inode of a name; NULL if there is none. */
static const struct view_agent *named(fuse_ino_t parent, const char *name,
				      fuse_ino_t *ino)
{
	const struct view_agent *a;
	enum view_file file;

	if (parent == FUSE_ROOT_ID) {
		a = view_agent_find(name);
		if (a)
			*ino = view_ino(a, FOLDER);
		return a;
	}
	a = view_agent_of(parent);
	if (!a || view_is_file(parent, &file) ||
	    view_file_of(name, &file) != OK)
		return NULL;
	*ino = view_ino(a, FILE_FIRST + file);
	return a;
}

static void lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param e = { .ino = 0 };
	const struct view_agent *a = named(parent, name, &e.ino);

	if (!may_see(req, a) || a->gone) {
		if (a && a->owner)
			view_denied(a->id, fuse_req_ctx(req)->pid);
		view_no(req, may_see(req, a) ? EKEYREVOKED : ENOENT);
		return;
	}
	agent_attr(req, a, e.ino, &e.attr);
	e.entry_timeout = parent == FUSE_ROOT_ID ? 0 : NAME_TIME;
	(void)fuse_reply_entry(req, &e);
}

/* Lists. The offset of an entry is what comes after it: its place among the files, or
 * the number of its agent. */

struct list {
	fuse_req_t req;
	size_t size, used;
	char room[LIST_ROOM];
};

/* False: it does not fit, and is for the next call. */
static bool list_add(struct list *l, const char *name, fuse_ino_t ino,
		     mode_t mode, uint64_t next)
{
	const struct stat st = { .st_ino = ino, .st_mode = mode };
	size_t left = l->size - l->used;
	size_t n = fuse_add_direntry(l->req, l->room + l->used, left, name, &st,
				     (off_t)next);

	if (n > left)
		return false;
	l->used += n;
	return true;
}

static void list_dots(struct list *l, fuse_ino_t ino, uint64_t off)
{
	if (off < 1 && !list_add(l, ".", ino, S_IFDIR, 1))
		return;
	if (off < DOTS)
		(void)list_add(l, "..", FUSE_ROOT_ID, S_IFDIR, DOTS);
}

static void list_root(struct list *l, uint64_t off)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(l->req);
	const struct view_agent *seen[VIEW_SEEN];
	size_t n = view_seen(ctx->pid, ctx->uid, seen);

	for (size_t i = 0; i < n; i++)
		if (seen[i]->number + DOTS > off &&
		    !list_add(l, seen[i]->id, view_ino(seen[i], FOLDER),
			      S_IFDIR, seen[i]->number + DOTS))
			return;
}

static void list_folder(struct list *l, const struct view_agent *a,
			uint64_t off)
{
	for (unsigned i = 0; i < VIEW_FILES; i++)
		if (i + DOTS + 1 > off &&
		    !list_add(l, view_file_name((enum view_file)i),
			      view_ino(a, FILE_FIRST + i), S_IFREG,
			      i + DOTS + 1))
			return;
}

static void readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	struct list l = { .req = req, .size = MIN(size, LIST_ROOM) };
	const struct view_agent *a = NULL;

	(void)fi;
	if (ino != FUSE_ROOT_ID) {
		a = view_agent_of(ino);
		if (!may_see(req, a) || a->gone) {
			view_no(req, may_see(req, a) ? EKEYREVOKED : ENOENT);
			return;
		}
	}
	list_dots(&l, ino, (uint64_t)off);
	if (a)
		list_folder(&l, a, (uint64_t)off);
	else
		list_root(&l, (uint64_t)off);
	(void)fuse_reply_buf(req, l.room, l.used);
}

/* The session */

static void init(void *data, struct fuse_conn_info *conn)
{
	(void)data;
	/* splicing takes pipes, and gains nothing with files this small */
	conn->want &= ~(unsigned)(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
				  FUSE_CAP_SPLICE_MOVE);
}

static const struct fuse_lowlevel_ops operations = {
	.init = init,
	.lookup = lookup,
	.getattr = getattr,
	.readdir = readdir,
	.open = view_open,
	.read = view_read,
	.release = view_release,
};

static void unmounted(void)
{
	loop_unwatch(&device);
	chan_tell(&view.sup, SUP_UNMOUNTED, 0, (struct attr_view){ 0 });
}

/* One request a turn, so that what keeper says is not kept waiting by a crowd. */
static void from_kernel(struct loop_fd *w, uint32_t events)
{
	int n = fuse_session_receive_buf(session, &request);

	(void)w;
	(void)events;
	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n > 0)
		fuse_session_process_buf(session, &request);
	if (n <= 0 || fuse_session_exited(session))
		unmounted();
}

PRINTF(2, 0)
static void fuse_says(enum fuse_log_level level, const char *fmt, va_list ap)
{
	char text[LOG_LINE];

	(void)vsnprintf(text, sizeof text, fmt, ap);
	text[strcspn(text, "\n")] = 0;
	log_text(level <= FUSE_LOG_ERR ? LOG_ERR : LOG_DEBUG, "fuse", "%s",
		 text);
}

void view_fuse_init(void)
{
	static char name[] = "view";
	static char *argv[] = { name, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	int flags = fcntl(VIEW_FUSE_FD, F_GETFL);
	char at[32];

	if (flags < 0 || fcntl(VIEW_FUSE_FD, F_SETFL, flags | O_NONBLOCK))
		child_broken("supervisor");
	fuse_set_log_func(fuse_says);
	session = fuse_session_new(&args, &operations, sizeof operations, NULL);
	(void)snprintf(at, sizeof at, "/dev/fd/%d", VIEW_FUSE_FD);
	if (!session || fuse_session_mount(session, at))
		child_broken("libfuse");
}

void view_fuse_begin(void)
{
	if (device.loop || device.on)
		return;
	device = (struct loop_fd){ .fd = VIEW_FUSE_FD,
				   .events = EPOLLIN,
				   .on = from_kernel };
	ENSURE(loop_watch(view.loop, &device) == OK);
}
