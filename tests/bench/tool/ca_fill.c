/* Benchmark: an inventory that has grown. While no ca runs on that state folder:
 *	ca_fill STATE COUNT REVOKED DER
 * COUNT certificates of DER bytes each are added to the store by the store's own code,
 * the first REVOKED of them revoked, and the signer's high-water mark is moved past
 * them. Neither certificates nor records of the log are made: the rows are what grows. */
#include "ca/signer.h"
#include "ca/store_cert.h"
#include "ca/store_db.h"
#include "lib/clock.h"
#include "lib/num.h"
#include "tests/bench/lib/stage.h"

#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	GROUP = 10000, /* rows of one transaction */
	SHARDS = 128,
	NODES = 1000,
	LIFE = 86400,
	SPREAD = 200000, /* seconds, over which they end */
	KEYFILE_MAX = 4096,
};

struct fill {
	uint64_t count, revoked, der, from;
	int64_t now;
};

static uint64_t number(const char *text)
{
	uint64_t n;

	if (num_u64(text, strlen(text), UINT32_MAX, &n) != OK)
		bench_die("'%s' is not a number", text);
	return n;
}

static _Noreturn void fail(const struct fault *f)
{
	bench_die("%s", f->text);
}

/* Into a role's folder, as its owner. */
static void enter(int state, const char *folder)
{
	struct stat st;

	if (fchdir(state) || stat(folder, &st) || chdir(folder))
		bench_die("there is no folder '%s'", folder);
	ENSURE(!setgroups(0, NULL));
	ENSURE(!setresgid(st.st_gid, st.st_gid, st.st_gid));
	ENSURE(!setresuid(st.st_uid, st.st_uid, st.st_uid));
}

static void keyfile_read(int state, struct buf *out)
{
	uint8_t room[KEYFILE_MAX];
	int fd = openat(state, "keyfile", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, room, sizeof room);

	if (n <= 0)
		bench_die("the key file cannot be read");
	close(fd);
	buf_init_secret(out, KEYFILE_MAX);
	ENSURE(buf_put(out, room, (size_t)n) == OK);
}

static void move_mark(int state, const struct fill *x)
{
	static struct signer s;
	struct buf keyfile;
	struct fault f;

	keyfile_read(state, &keyfile);
	enter(state, "signer");
	signer_init(&s, open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		    &keyfile);
	if (s.state != SIGNER_READY)
		bench_die("there are no keys of a CA");
	s.mark.now.end = MAX(s.mark.now.end, x->from + x->count);
	if (mark_write(&s.mark, &f) != OK)
		fail(&f);
	signer_wipe(&s);
}

static enum err add_one(struct store_db *db, const struct fill *x, uint64_t i,
			struct fault *f)
{
	static uint8_t der[ATTR_VALUE_MAX], tail[STORE_TAIL], hash[STORE_HASH];
	char agent[64], node[32];
	uint64_t n = x->from + i;
	struct store_cert c = {
		.number = n,
		.tail = { tail, sizeof tail },
		.type = { (const uint8_t *)"web", 3 },
		.not_before = (uint64_t)x->now - 60,
		.not_after = (uint64_t)x->now + LIFE + i % SPREAD,
		.shard = n % SHARDS,
		.log = UINT64_MAX,
		.request = { hash, sizeof hash },
		.der = { der, x->der },
	};

	random_fill(tail, sizeof tail);
	memcpy(hash, tail, sizeof tail);
	memcpy(der, tail, sizeof tail);
	/* Its first 48 bits are a time, as in a UUIDv7. */
	(void)snprintf(agent, sizeof agent, "%08x-%04x-7000-8000-%012x",
		       (unsigned)(n >> 16), (unsigned)(n & 0xffff),
		       (unsigned)(n * 2654435761u));
	(void)snprintf(node, sizeof node, "n%u.example",
		       (unsigned)((uint32_t)(n * 2654435761u) % NODES));
	c.agent = (struct attr_view){ (uint8_t *)agent, strlen(agent) };
	c.node = (struct attr_view){ (uint8_t *)node, strlen(node) };
	TRY(store_cert_add(db, &c, f));
	if (i >= x->revoked)
		return OK;
	return store_cert_revoke(db, n, (uint64_t)x->now - 30, 1, f);
}

static enum err add_group(struct store_db *db, const struct fill *x,
			  uint64_t from, struct fault *f)
{
	TRY(store_db_begin(db, db->now.generation + 1, f));
	for (uint64_t i = from; i < MIN(from + GROUP, x->count); i++)
		TRY(add_one(db, x, i, f));
	TRY(store_db_commit(db, f));
	return store_db_checkpoint(db, f);
}

static void fill_store(int state, struct fill *x, int to)
{
	struct store_db *db;
	struct fault f;

	enter(state, "store");
	if (store_db_open(&db, &f) != OK ||
	    sqlite_file_exec(&db->file, "PRAGMA synchronous=OFF", &f) != OK)
		fail(&f);
	x->from = db->now.next;
	for (uint64_t i = 0; i < x->count; i += GROUP)
		if (add_group(db, x, i, &f) != OK)
			fail(&f);
	store_db_close(db);
	ENSURE(write(to, &x->from, sizeof x->from) == sizeof x->from);
}

/* In a child: it becomes another user. */
static void as_store(int state, struct fill *x)
{
	int status, pair[2];
	pid_t pid;

	ENSURE(!pipe2(pair, O_CLOEXEC));
	pid = fork();
	ENSURE(pid >= 0);
	if (!pid) {
		fill_store(state, x, pair[1]);
		_exit(0);
	}
	ENSURE(waitpid(pid, &status, 0) == pid);
	if (status)
		exit(1);
	ENSURE(read(pair[0], &x->from, sizeof x->from) == sizeof x->from);
}

int main(int argc, char **argv)
{
	struct fill x = { .now = clock_wall() };
	int state;

	if (argc != 5)
		bench_die("usage: ca_fill STATE COUNT REVOKED DER");
	x.count = number(argv[2]);
	x.revoked = number(argv[3]);
	x.der = MAX(number(argv[4]), (uint64_t)STORE_TAIL);
	state = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (state < 0)
		bench_die("there is no folder '%s'", argv[1]);
	as_store(state, &x);
	move_mark(state, &x);
	printf("{\"first\": %llu}\n", (unsigned long long)x.from);
	return 0;
}
