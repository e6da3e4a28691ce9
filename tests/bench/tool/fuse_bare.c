/* Benchmark: the least that a FUSE file system of the same form can do: a folder with
 * five files of constant content, mounted as the file view is, the same options (no
 * timeouts, direct_io, no flush), one thread. Judges nobody. Needs root.
 *	fuse_bare FOLDER NAME CERT CHAIN KEY CA BUNDLE
 * FOLDER/NAME/cert.pem and so on, of that many bytes. Prints "ready"; ends with SIGTERM
 * or when it is unmounted. */
#define FUSE_USE_VERSION 314

#include "certmgr/mount.h"
#include "lib/num.h"
#include "tests/bench/lib/stage.h"

#include <errno.h>
#include <fuse3/fuse_lowlevel.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

enum {
	FILES = 5,
	FOLDER = 2, /* inodes: 1 root, 2 folder, 3… files */
	FILE_FIRST = 3,
	CONTENT_MAX = 64 << 10,
	LIST_ROOM = 4096,
};

static const char *const file_name[FILES] = { "cert.pem", "chain.pem",
					      "key.pem", "ca.pem",
					      "bundle.pem" };
static const char *folder_name;
static size_t size_of[FILES];
static char content[CONTENT_MAX];

static bool attr_of(fuse_ino_t ino, struct stat *st)
{
	bool file = ino >= FILE_FIRST && ino < FILE_FIRST + FILES;

	*st = (struct stat){ .st_ino = ino,
			     .st_mode = file ? S_IFREG | 0444 : S_IFDIR | 0555,
			     .st_nlink = file ? 1 : 2 };
	if (file)
		st->st_size = (off_t)size_of[ino - FILE_FIRST];
	return file || ino == FUSE_ROOT_ID || ino == FOLDER;
}

static fuse_ino_t named(fuse_ino_t parent, const char *name)
{
	if (parent == FUSE_ROOT_ID)
		return strcmp(name, folder_name) ? 0 : FOLDER;
	for (unsigned i = 0; parent == FOLDER && i < FILES; i++)
		if (!strcmp(name, file_name[i]))
			return FILE_FIRST + i;
	return 0;
}

static void lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param e = { .ino = named(parent, name) };

	if (!e.ino || !attr_of(e.ino, &e.attr))
		(void)fuse_reply_err(req, ENOENT);
	else
		(void)fuse_reply_entry(req, &e);
}

static void getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;

	(void)fi;
	if (!attr_of(ino, &st))
		(void)fuse_reply_err(req, ENOENT);
	else
		(void)fuse_reply_attr(req, &st, 0);
}

static void readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	char room[LIST_ROOM];
	size_t used = 0, n = 0;

	(void)fi;
	size = MIN(size, sizeof room);
	for (unsigned i = (unsigned)off; ino == FOLDER && i < FILES; i++) {
		struct stat st;

		(void)attr_of(FILE_FIRST + i, &st);
		n = fuse_add_direntry(req, room + used, size - used,
				      file_name[i], &st, (off_t)i + 1);
		if (n > size - used)
			break;
		used += n;
	}
	(void)fuse_reply_buf(req, room, used);
}

static void open_file(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	fi->direct_io = 1;
	fi->noflush = 1;
	(void)fuse_reply_open(req, fi);
}

static void read_file(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		      struct fuse_file_info *fi)
{
	size_t len = size_of[ino - FILE_FIRST];
	size_t from = MIN((size_t)MAX(off, 0), len);

	(void)fi;
	(void)fuse_reply_buf(req, content + from, MIN(size, len - from));
}

static const struct fuse_lowlevel_ops operations = {
	.lookup = lookup,
	.getattr = getattr,
	.readdir = readdir,
	.open = open_file,
	.read = read_file,
};

static struct fuse_session *session_on(int fd)
{
	static char name[] = "fuse_bare";
	static char *argv[] = { name, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	struct fuse_session *se =
		fuse_session_new(&args, &operations, sizeof operations, NULL);
	char at[32];

	(void)snprintf(at, sizeof at, "/dev/fd/%d", fd);
	if (!se || fuse_set_signal_handlers(se) || fuse_session_mount(se, at))
		bench_die("libfuse takes no session");
	return se;
}

int main(int argc, char **argv)
{
	struct fuse_session *se;
	struct fault f;
	int fd, bad;

	if (argc != 3 + FILES)
		bench_die("usage: fuse_bare FOLDER NAME CERT CHAIN KEY CA "
			  "BUNDLE");
	ENSURE(!prctl(PR_SET_PDEATHSIG, SIGTERM));
	folder_name = argv[2];
	memset(content, 'x', sizeof content);
	for (size_t i = 0; i < FILES; i++) {
		uint64_t n;

		if (num_u64(argv[3 + i], strlen(argv[3 + i]), CONTENT_MAX,
			    &n) != OK)
			bench_die("'%s' is not a size", argv[3 + i]);
		size_of[i] = (size_t)n;
	}
	if (view_mount(argv[1], &fd, &f) != OK)
		bench_die("%s", f.text);
	se = session_on(fd);
	printf("ready\n");
	fflush(stdout);
	bad = fuse_session_loop(se);
	fuse_remove_signal_handlers(se);
	if (view_unmount(argv[1], &f) != OK)
		bench_die("%s", f.text);
	return bad < 0;
}
