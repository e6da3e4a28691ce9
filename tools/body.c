/* An HTTP request from standard input: its head in memory, its body too while it
 * is small, else in an unnamed file. Runs in cretula. */
#include "tools/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	BODY_GULP = 256 << 10,
	BODY_HELD_MAX = 1 << 20, /* held in memory */
};

_Static_assert((int)BODY_HELD_MAX >= (int)CLIENT_FORM_SENT_MAX,
	       "what is sent is in memory");

static int open_spool(void)
{
	const char *dir = getenv("TMPDIR");

	return open(dir && dir[0] ? dir : "/tmp",
		    O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

static int no_room(void)
{
	cli_say("the body cannot be kept in a temporary file (TMPDIR): %s",
		strerror(errno));
	return EXIT_FAILED;
}

/* A piece of the body: kept in memory, then in the file, or only counted. */
static int body_piece(struct request_in *r, bool keep, const uint8_t *p,
		      size_t n)
{
	r->about.len += n;
	if (r->spool < 0 && r->about.len <= BODY_HELD_MAX)
		return buf_put(&r->body, p, n) == OK ? 0 : EXIT_FAILED;
	if (!keep)
		return 0;
	if (r->spool < 0) {
		r->spool = open_spool();
		if (r->spool < 0 || !fd_write(r->spool, r->body.p, r->body.len))
			return no_room();
	}
	return fd_write(r->spool, p, n) ? 0 : no_room();
}

/* Reads once; n 0 at the end, exit code on failure. */
static int read_some(uint8_t *p, size_t size, size_t *n)
{
	ssize_t got;

	do {
		got = read(STDIN_FILENO, p, size);
	} while (got < 0 && errno == EINTR);
	if (got < 0) {
		cli_say("standard input cannot be read: %s", strerror(errno));
		return EXIT_FAILED;
	}
	*n = (size_t)got;
	return 0;
}

/* Reads until the head is whole; what came after it stays at its end. */
static int read_head(struct request_in *r, size_t *head_len)
{
	size_t n = 0;
	int rc;

	for (;;) {
		if (buf_reserve(&r->head, BODY_GULP) != OK) {
			cli_say("the request's head is over %d bytes",
				HTTP_HEAD_MAX);
			return EXIT_FAILED;
		}
		rc = read_some(r->head.p + r->head.len, BODY_GULP, &n);
		if (rc)
			return rc;
		r->head.len += n;
		if (http_head_ends((const char *)r->head.p, r->head.len,
				   head_len) ||
		    !n)
			return 0;
	}
}

static int read_body(struct request_in *r, bool keep, struct client_digest *d,
		     size_t head_len)
{
	uint8_t *piece = xcalloc(1, BODY_GULP);
	size_t n = r->head.len - head_len;
	int rc = 0;

	client_digest_add(d, r->head.p + head_len, n);
	rc = body_piece(r, keep, r->head.p + head_len, n);
	r->head.len = head_len;
	while (!rc) {
		rc = read_some(piece, BODY_GULP, &n);
		if (rc || !n)
			break;
		client_digest_add(d, piece, n);
		rc = body_piece(r, keep, piece, n);
	}
	free(piece);
	return rc;
}

int request_read(struct request_in *r, bool keep)
{
	struct client_digest *d;
	size_t head_len = 0;
	int rc;

	*r = (struct request_in){ .spool = -1 };
	buf_init(&r->head, HTTP_HEAD_MAX + 2 * BODY_GULP);
	buf_init(&r->body, BODY_HELD_MAX);
	if (isatty(STDIN_FILENO))
		cli_say("reading an HTTP request from the terminal: end it "
			"with control-D");
	rc = read_head(r, &head_len);
	if (rc)
		return rc;
	d = client_digest_new();
	rc = read_body(r, keep, d, head_len);
	client_digest_end(d, r->about.sha256);
	if (!r->about.len)
		r->about.sha256[0] = '\0';
	r->about.p = r->about.len <= BODY_HELD_MAX ? r->body.p : NULL;
	return rc;
}

int request_body_out(const struct request_in *r)
{
	uint8_t *piece;
	off_t at = 0;
	int rc = EXIT_DONE;

	if (r->spool < 0)
		return out_bytes(r->body.p, r->body.len);
	piece = xcalloc(1, BODY_GULP);
	while (rc == EXIT_DONE) {
		ssize_t n = pread(r->spool, piece, BODY_GULP, at);

		if (n < 0)
			rc = no_room();
		if (n <= 0)
			break;
		at += n;
		rc = out_bytes(piece, (size_t)n);
	}
	free(piece);
	return rc;
}

void request_wipe(struct request_in *r)
{
	fd_close(&r->spool);
	buf_wipe(&r->head);
	buf_wipe(&r->body);
}
