/* A program from a file system that does not answer (anybody's FUSE, a server that is gone)
 * is looked at without waiting for it: door and view serve all others meanwhile. */
#define FUSE_USE_VERSION 31

#include "lib/peer.h"
#include "lib/procinfo.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	HANGS_S = 60
};

static int program = -1;

static int get_attr(const char *path, struct stat *st, struct fuse_file_info *i)
{
	(void)i;
	if (strcmp(path, "/") != 0)
		return fstat(program, st) ? -errno : 0;
	memset(st, 0, sizeof *st);
	st->st_mode = S_IFDIR | 0755;
	return 0;
}

static int read_at(const char *path, char *p, size_t n, off_t at,
		   struct fuse_file_info *i)
{
	(void)path;
	(void)i;
	return (int)pread(program, p, n, at);
}

static void *init(struct fuse_conn_info *conn, struct fuse_config *c)
{
	(void)conn;
	c->attr_timeout = 0;
	return NULL;
}

/* Mounted when it returns. */
static pid_t serve(char *folder)
{
	static const struct fuse_operations ops = { .getattr = get_attr,
						    .read = read_at,
						    .init = init };
	char name[] = "test", option[] = "-oallow_other";
	char *argv[] = { name, option, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(2, argv);
	struct fuse *f;
	int told[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(told), 0);
	fflush(NULL);
	pid = fork();
	if (!pid) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		f = fuse_new(&args, &ops, sizeof ops, NULL);
		if (!f || fuse_mount(f, folder) || write(told[1], "m", 1) != 1)
			_exit(70);
		close(told[1]);
		_exit(fuse_loop(f));
	}
	assert_true(pid > 0);
	close(told[1]);
	assert_int_equal(read(told[0], &byte, 1), 1);
	close(told[0]);
	return pid;
}

/* Connects, and runs the program; the connection. */
static pid_t run(const char *path, int *sock)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int l = socket(AF_UNIX, SOCK_STREAM, 0);
	socklen_t n = sizeof(sa_family_t);
	pid_t pid;

	assert_int_equal(bind(l, (struct sockaddr *)&a, n), 0);
	assert_int_equal(listen(l, 1), 0);
	n = sizeof a;
	assert_int_equal(getsockname(l, (struct sockaddr *)&a, &n), 0);
	fflush(NULL);
	pid = fork();
	if (!pid) {
		int c = socket(AF_UNIX, SOCK_STREAM, 0);

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (connect(c, (struct sockaddr *)&a, n) ||
		    fcntl(c, F_SETFD, FD_CLOEXEC))
			_exit(70);
		execl(path, "sleep", "1000", NULL);
		_exit(71);
	}
	*sock = accept(l, NULL, NULL);
	close(l);
	return pid;
}

static void a_program_of_a_mute_file_system_is_looked_at(void **state)
{
	char folder[] = "/tmp/cretula-test-XXXXXX", path[64], byte;
	struct peer peer;
	struct procinfo p;
	pid_t server, pid;
	struct fault f;
	int sock;

	(void)state;
	if (getuid() || access("/dev/fuse", R_OK))
		skip();
	program = open("/bin/sleep", O_RDONLY | O_CLOEXEC);
	assert_non_null(mkdtemp(folder));
	server = serve(folder);
	(void)snprintf(path, sizeof path, "%s/sleep", folder);
	pid = run(path, &sock);
	assert_int_equal(read(sock, &byte, 1), 0); /* it has exec'ed */
	assert_int_equal(kill(server, SIGSTOP), 0);
	assert_int_equal(waitpid(server, NULL, WUNTRACED), server);
	(void)alarm(HANGS_S);
	assert_int_equal(procinfo_read(pid, &p, &f), OK);
	assert_true(p.exe_ino != 0);
	assert_int_equal(peer_open(sock, &peer, &f), OK);
	assert_true(peer.exe_known && peer.exe_ino == p.exe_ino);
	assert_true(peer_same_program(&peer));
	(void)alarm(0);
	peer_close(&peer);
	close(sock);
	(void)kill(server, SIGKILL);
	(void)kill(pid, SIGKILL);
	(void)waitpid(server, NULL, 0);
	(void)waitpid(pid, NULL, 0);
	(void)umount2(folder, MNT_DETACH);
	(void)rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_of_a_mute_file_system_is_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
