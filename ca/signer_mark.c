/* Part of the signer: the one thing that must survive it. Holds no key of its own
 * (the key of the checksums is in the signer's `issuing`). */
#include "ca/signer_mark.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	VERSION = 1,
	FILE_MODE = 0600,
};

static void checksum(const struct secret *key, const void *p, size_t n,
		     uint8_t out[MARK_SUM])
{
	ENSURE(!crypto_generichash(out, MARK_SUM, p, n, secret_bytes(key),
				   KEY_SIZE));
}

enum err mark_format(const struct mark_record *r, const struct secret *key,
		     struct buf *out)
{
	size_t from = out->len;
	uint8_t sum[MARK_SUM];

	TRY(buf_u8(out, VERSION));
	TRY(buf_u64(out, r->turn));
	TRY(buf_u64(out, r->end));
	TRY(buf_u64(out, r->epoch));
	TRY(buf_u64(out, r->count));
	TRY(buf_put(out, r->chain.b, MERKLE_HASH));
	TRY(buf_u64(out, r->log_size));
	for (size_t i = 0; i < MARK_SCOPES; i++)
		TRY(buf_u64(out, r->crl[i]));
	checksum(key, out->p + from, out->len - from, sum);
	return buf_put(out, sum, sizeof sum);
}

static enum err record_read(struct rd *r, struct mark_record *m)
{
	uint8_t version;

	TRY(rd_u8(r, &version));
	if (version != VERSION)
		return ERR_INVALID;
	TRY(rd_u64(r, &m->turn));
	TRY(rd_u64(r, &m->end));
	TRY(rd_u64(r, &m->epoch));
	TRY(rd_u64(r, &m->count));
	TRY(rd_copy(r, MERKLE_HASH, m->chain.b));
	TRY(rd_u64(r, &m->log_size));
	for (size_t i = 0; i < MARK_SCOPES; i++)
		TRY(rd_u64(r, &m->crl[i]));
	return OK;
}

enum err mark_parse(const void *p, size_t len, const struct secret *key,
		    struct mark_record *r)
{
	struct rd in = rd_from(p, len);
	struct mark_record got;
	uint8_t sum[MARK_SUM], said[MARK_SUM];

	TRY(record_read(&in, &got));
	TRY(rd_copy(&in, MARK_SUM, said));
	TRY(rd_end(&in));
	checksum(key, p, len - MARK_SUM, sum);
	if (!secret_equal(sum, said, MARK_SUM))
		return ERR_INVALID;
	*r = got;
	return OK;
}

static enum err disk(const char *what, struct fault *f)
{
	return fault_set(f, ERR_UNAVAILABLE,
			 "the signer's high-water mark cannot be %s: %s", what,
			 strerror(errno));
}

/* The record's turn says which of the two places is its own. */
static enum err record_write(int fd, const struct mark_record *r,
			     const struct secret *key, struct fault *f)
{
	off_t at = (off_t)(r->turn % 2) * MARK_SLOT;
	AUTO(buf_wipe) struct buf b = { 0 };
	ssize_t n;

	buf_init(&b, MARK_RECORD);
	TRY(mark_format(r, key, &b));
	n = pwrite(fd, b.p, b.len, at);
	if (n >= 0 && (size_t)n < b.len)
		errno = ENOSPC; /* what ends a write short has no errno */
	if (n != (ssize_t)b.len)
		return disk("written", f);
	if (fdatasync(fd))
		return disk("synced", f);
	return OK;
}

enum err mark_make(int dir, const struct secret *key, uint64_t end,
		   struct fault *f)
{
	struct mark_record r = { .turn = 1, .end = end };
	AUTO(fd_close) int fd = -1;

	if (unlinkat(dir, MARK_FILE, 0) && errno != ENOENT)
		return disk("replaced", f);
	fd = openat(dir, MARK_FILE,
		    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    FILE_MODE);
	/* All its room at once: a full disk must not stand in the way later. */
	if (fd < 0 || fchmod(fd, FILE_MODE) ||
	    (errno = posix_fallocate(fd, 0, 2 * MARK_SLOT)))
		return disk("made", f);
	TRY(record_write(fd, &r, key, f));
	r.turn++;
	TRY(record_write(fd, &r, key, f));
	if (fsync(fd) || fsync(dir))
		return disk("synced", f);
	return OK;
}

static bool record_get(int fd, int place, const struct secret *key,
		       struct mark_record *r)
{
	uint8_t room[MARK_RECORD];

	return pread(fd, room, sizeof room, (off_t)place * MARK_SLOT) ==
		       (ssize_t)sizeof room &&
	       mark_parse(room, sizeof room, key, r) == OK &&
	       r->turn % 2 == (unsigned)place;
}

static enum err file_open(int dir, int *out, struct fault *f)
{
	struct stat st;
	int fd = openat(dir, MARK_FILE, O_RDWR | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return fault_set(f, ERR_NOT_FOUND,
				 "the signer's high-water mark is missing: "
				 "without it a number could be signed twice; "
				 "restore the file 'mark' from a backup");
	if (fd < 0)
		return disk("opened", f);
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return fault_set(f, ERR_INVALID, "'mark' is no plain file");
	}
	*out = fd;
	return OK;
}

/* The later record; if only one is whole, the other may have been the later one: of a
 * write that never ended (nothing was signed then) or one that was damaged since. So
 * the block that it can have reserved is given up. */
static enum err choose(struct mark *m, struct fault *f)
{
	struct mark_record r[2];
	bool ok[2];

	for (int i = 0; i < 2; i++)
		ok[i] = record_get(m->fd, i, m->key, &r[i]);
	if (!ok[0] && !ok[1])
		return fault_set(
			f, ERR_INVALID,
			"the signer's high-water mark is damaged or of "
			"another CA: restore the file 'mark' from a "
			"backup that is not older than the last "
			"certificate");
	if (ok[0] && ok[1]) {
		m->now = r[r[1].turn > r[0].turn];
		return OK;
	}
	m->now = r[ok[1]];
	m->now.end += MARK_BLOCK;
	m->now.epoch++;
	m->mended = true;
	return OK;
}

enum err mark_open(struct mark *m, int dir, const struct secret *key,
		   struct fault *f)
{
	struct mark got = { .fd = -1, .key = key };
	enum err e;

	TRY(file_open(dir, &got.fd, f));
	e = choose(&got, f);
	if (e == OK) {
		got.next = got.now.end;
		got.now.epoch++;
		e = mark_write(&got, f);
	}
	if (e != OK) {
		mark_close(&got);
		return e;
	}
	*m = got;
	return OK;
}

void mark_close(struct mark *m)
{
	fd_close(&m->fd);
}

enum err mark_write(struct mark *m, struct fault *f)
{
	enum err e;

	m->now.turn++;
	e = record_write(m->fd, &m->now, m->key, f);
	if (e != OK)
		m->now.turn--; /* the other record stays whole */
	return e;
}

enum err mark_take(struct mark *m, uint64_t number, struct fault *f)
{
	enum err e;

	if (number < m->next)
		return fault_set(f, ERR_CONFLICT,
				 "number %llu may have been signed before: the "
				 "lowest that was not is %llu",
				 (unsigned long long)number,
				 (unsigned long long)m->next);
	if (number < m->now.end)
		return OK;
	if (number - m->now.end >= MARK_BLOCK)
		return fault_set(
			f, ERR_INVALID,
			"number %llu is beyond the next block of "
			"numbers, which ends at %llu: was the signer's "
			"'mark' put back from an old copy?",
			(unsigned long long)number,
			(unsigned long long)m->now.end + MARK_BLOCK - 1);
	m->now.end += MARK_BLOCK;
	e = mark_write(m, f);
	if (e != OK)
		m->now.end -= MARK_BLOCK;
	return e;
}

void mark_signed(struct mark *m, uint64_t number, const void *tbs, size_t len)
{
	uint8_t in[MERKLE_HASH + 8 + MERKLE_HASH];
	struct merkle_hash h;

	ENSURE(number >= m->next && number < m->now.end);
	merkle_sha256(tbs, len, NULL, 0, &h);
	memcpy(in, m->now.chain.b, MERKLE_HASH);
	for (int i = 0; i < 8; i++)
		in[MERKLE_HASH + i] = (uint8_t)(number >> (56 - 8 * i));
	memcpy(in + MERKLE_HASH + 8, h.b, MERKLE_HASH);
	merkle_sha256(in, sizeof in, NULL, 0, &m->now.chain);
	m->now.count++;
	m->next = number + 1;
}

void mark_skip(struct mark *m, uint64_t number)
{
	struct fault f;

	if (mark_take(m, number, &f) == OK)
		m->next = number + 1;
}

bool mark_spent(const struct mark *m, uint64_t number)
{
	return number && number < m->next;
}
