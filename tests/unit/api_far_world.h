/* The gate of remote clients in a forked, confined process, between TLS clients and the
 * test in the places of supervisor, core, verifier and certmgr. */
#ifndef TESTS_API_FAR_WORLD_H
#define TESTS_API_FAR_WORLD_H

#include "lib/agent_token.h"
#include "lib/chan.h"
#include "lib/clock.h"
#include "lib/hello.h"
#include "lib/kinds.h"
#include "lib/num.h"
#include "lib/pem.h"
#include "lib/roles.h"

#include "tests/unit/bundle_world.h"
#include "tests/unit/fd_test.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	FAR_WAIT_S = 60,
	FAR_ANSWER = 256 << 10,
	FAR_FDS = 2,
};

struct far {
	pid_t pid;
	int sup, core, verifier;
	uint16_t port;
	char folder[32]; /* certmgr's */
	int listener;
	struct world w;
	struct buf bundle, token, in;
};

static inline uint64_t far_deadline(void)
{
	return clock_boot() + FAR_WAIT_S * CLOCK_SECOND;
}

/* What a text begins with. */
static inline uint64_t far_number(const char *text)
{
	uint64_t v = 0;

	assert_int_equal(
		num_u64(text, strspn(text, "0123456789"), INT64_MAX, &v), OK);
	return v;
}

static inline void far_text(struct attrs *a, const char *text)
{
	struct fault f = { 0 };

	attrs_init(a);
	if (attrs_parse_text(a, text, strlen(text), &f) != OK)
		fail_msg("%s", f.text);
}

static inline void far_put(int to, uint32_t kind, uint64_t id, const char *text)
{
	struct attrs a;

	far_text(&a, text);
	assert_int_equal(chan_put1(to, kind, id, attrs_view(&a)), OK);
	attrs_wipe(&a);
}

/* With a descriptor, which is closed here. */
static inline void far_put_fd(int to, uint32_t kind, const char *text, int fd)
{
	struct attrs a;

	far_text(&a, text);
	fd_send(to, kind, 0, attrs_view(&a), fd);
	attrs_wipe(&a);
	close(fd);
}

static inline struct msg far_next(struct far *w, int from)
{
	struct fault f = { .text = "" };
	struct msg m = { 0 };
	enum err e = chan_get1(from, &w->in, &m, NULL, far_deadline(), &f);

	if (e != OK)
		fail_msg("%s: %s", err_name(e), f.text);
	return m;
}

/* What the core hears of the gate's certificate is for far_own. */
static inline struct msg far_any(struct far *w, int from)
{
	struct msg m = far_next(w, from);

	while (from == w->core && m.kind == FC_OWN)
		m = far_next(w, from);
	return m;
}

/* The core hears next that it has no certificate, and why; words NULL: that it has. */
static inline void far_own(struct far *w, const char *words)
{
	struct msg m = far_next(w, w->core);
	struct attr a = { 0 };

	assert_int_equal(m.kind, FC_OWN);
	if (attr_find(m.attrs, "text", &a) != !!words)
		fail_msg("text=%.*s", (int)a.len, (const char *)a.value);
	if (words && !memmem(a.value, a.len, words, strlen(words)))
		fail_msg("no '%s' in '%.*s'", words, (int)a.len,
			 (const char *)a.value);
}

static inline struct msg far_get(struct far *w, int from, uint32_t kind)
{
	struct msg m = far_any(w, from);

	if (m.kind != kind)
		fail_msg("the gate said %u where %u was awaited", m.kind, kind);
	return m;
}

static inline void far_has(const struct msg *m, const char *name,
			   const char *value)
{
	struct attr a;

	if (attr_only(m->attrs, name, &a) != OK || !attr_is(&a, value))
		fail_msg("no %s=%s", name, value);
}

/* The gate meets one of its peers, which is the test: returns its end. */
static inline int far_meet(struct far *w, const char *peer)
{
	int pair[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	far_put_fd(w->sup, SUP_PEER, peer, pair[1]);
	return pair[0];
}

/* certmgr */

static inline void far_folder(struct far *w)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	(void)snprintf(w->folder, sizeof w->folder, "/tmp/cretula-far-XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	(void)snprintf(at.sun_path, sizeof at.sun_path, "%s/api.sock",
		       w->folder);
	w->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(w->listener, (struct sockaddr *)&at, sizeof at),
			 0);
	assert_int_equal(listen(w->listener, 8), 0);
}

/* Answers the SUP_CERTMGR that comes next. */
static inline void far_where(struct far *w)
{
	int fd = open(w->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	(void)far_get(w, w->sup, SUP_CERTMGR);
	far_put_fd(w->sup, SUP_CERTMGR, "node=localhost", fd);
}

/* Its connection after the hello. */
static inline int far_accept(struct far *w)
{
	static const char hello[] = "0123456789abcdef\0\1\0\1";
	uint8_t answer[HELLO_CLIENT];
	int fd = accept(w->listener, NULL, NULL);

	assert_true(fd >= 0);
	assert_int_equal(send(fd, hello, HELLO_SERVER, 0), HELLO_SERVER);
	assert_int_equal(recv(fd, answer, sizeof answer, MSG_WAITALL),
			 sizeof answer);
	assert_memory_equal(answer, hello, HELLO_NONCE);
	assert_int_equal(answer[HELLO_NONCE + 1], 1);
	far_get(w, fd, CLIENT_CALL); /* whether it is taken */
	far_put(fd, CLIENT_ERROR, 1, "error=invalid text=\"no verb\"");
	return fd;
}

/* The next call, and its descriptors. */
static inline struct msg far_call(struct far *w, int from, int fd[FAR_FDS])
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(FAR_FDS * sizeof(int))];
	} ctl = { 0 };
	uint8_t bytes[4096];
	struct iovec iov = { .iov_base = bytes, .iov_len = sizeof bytes };
	struct msghdr h = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &ctl,
			    .msg_controllen = sizeof ctl };
	ssize_t n = recvmsg(from, &h, MSG_CMSG_CLOEXEC);
	struct fault f = { .text = "" };
	struct msg m = { 0 };
	size_t used, fds;

	assert_true(n > 0);
	assert_non_null(CMSG_FIRSTHDR(&h));
	fds = (ctl.align.cmsg_len - CMSG_LEN(0)) / sizeof(int);
	fd[1] = -1;
	memcpy(fd, CMSG_DATA(&ctl.align), fds * sizeof(int));
	buf_clear(&w->in);
	assert_int_equal(buf_put(&w->in, bytes, (size_t)n), OK);
	assert_int_equal(msg_get(w->in.p, w->in.len, &m, &used, &f), OK);
	assert_int_equal(m.kind, CLIENT_CALL);
	return m;
}

/* The pid that a pidfd is of. */
static inline pid_t far_pid(int pidfd)
{
	char path[64], line[128];
	uint64_t pid = 0;
	FILE *in;

	(void)snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
	in = fopen(path, "re");
	assert_non_null(in);
	while (fgets(line, sizeof line, in))
		if (!strncmp(line, "Pid:", 4))
			pid = far_number(line + 4 + strspn(line + 4, " \t"));
	(void)fclose(in);
	return (pid_t)pid;
}

/* agent.spawn: who it is, and its token. */
static inline void far_spawn(struct far *w, int conn)
{
	int fd[FAR_FDS];
	struct msg m = far_call(w, conn, fd);

	far_has(&m, "verb", "agent.spawn");
	far_has(&m, "type", "gate");
	far_has(&m, "name", "localhost");
	far_has(&m, "fds", "2");
	assert_int_equal(far_pid(fd[1]), w->pid);
	assert_int_equal(send(fd[0], w->token.p, w->token.len, 0),
			 (ssize_t)w->token.len);
	close(fd[0]);
	close(fd[1]);
	far_put(conn, CLIENT_REPLY, m.id,
		"agent=" WORLD_AGENT " instance=01234567");
}

/* agent.claim: its token came; the socket for the payload. */
static inline struct msg far_claim(struct far *w, int conn, int *out)
{
	uint8_t got[128];
	int fd[FAR_FDS];
	struct msg m = far_call(w, conn, fd);

	far_has(&m, "verb", "agent.claim");
	far_has(&m, "agent", WORLD_AGENT);
	far_has(&m, "fds", "1");
	assert_int_equal(recv(fd[0], got, sizeof got, MSG_WAITALL),
			 (ssize_t)w->token.len);
	assert_memory_equal(got, w->token.p, w->token.len);
	*out = fd[0];
	return m;
}

static inline void far_pay(struct far *w, int conn, const void *p, size_t n)
{
	int fd;
	struct msg m = far_claim(w, conn, &fd);
	uint64_t id = m.id;

	assert_int_equal(send(fd, p, n, 0), (ssize_t)n);
	close(fd);
	far_put(conn, CLIENT_REPLY, id, "agent=" WORLD_AGENT);
}

/* It has closed the connection: it is done. */
static inline void far_done(int conn)
{
	char c;

	assert_int_equal(recv(conn, &c, 1, 0), 0);
	close(conn);
}

/* The gate has its certificate, and has said so to the verifier. */
static inline void far_certify(struct far *w)
{
	int conn;

	far_where(w);
	conn = far_accept(w);
	far_spawn(w, conn);
	far_pay(w, conn, w->bundle.p, w->bundle.len);
	far_done(conn);
	assert_int_equal(
		attr_count(far_get(w, w->verifier, GV_OWN).attrs, "cert"), 2);
}

/* A certificate of that serial, for so long. */
static inline void far_bundle(struct far *w, uint8_t serial, int64_t seconds)
{
	struct cert leaf = world_plain(&w->w, &w->w.leaf);

	buf_wipe(&w->bundle);
	world_name(&leaf.dns, "localhost");
	leaf.serial = world_serial(serial);
	leaf.not_after = world_now + seconds;
	bundle_make(&w->w, &w->w.leaf, &leaf, &w->bundle);
}

static inline void far_token(struct far *w)
{
	AUTO(agent_token_wipe) struct agent_token t = { .secret = NULL };

	agent_token_make(WORLD_AGENT, &t);
	buf_init_secret(&w->token, 256);
	assert_int_equal(agent_token_format(&t, &w->token), OK);
}

/* Life */

static inline int far_listen(uint16_t *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	*port = ntohs(at.sin_port);
	return fd;
}

static inline void far_child(int sup, int tls)
{
	int fd[2] = { fcntl(sup, F_DUPFD, 20), fcntl(tls, F_DUPFD, 20) };

	if (dup2(fd[0], SUP_FD) < 0 || dup2(fd[1], SUP_FD + 1) < 0)
		_exit(70);
	close_range(SUP_FD + 2, ~0u, 0);
	_exit(role_gate());
}

static inline void far_start(struct far *w)
{
	int pair[2], tls;

	*w = (struct far){ .core = -1, .verifier = -1 };
	world_now = clock_wall();
	world_make(&w->w, KEY_P256);
	far_bundle(w, 3, WORLD_DAY);
	far_token(w);
	buf_init(&w->in, MSG_MAX + MSG_HEAD);
	far_folder(w);
	tls = far_listen(&w->port);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	fflush(NULL);
	w->pid = fork();
	if (!w->pid)
		far_child(pair[1], tls);
	close(pair[1]);
	close(tls);
	w->sup = pair[0];
	far_put(w->sup, SUP_START, 0,
		"daemon=credd role=gate tls=yes gate_type=gate");
}

/* … and all are there. */
static inline void far_start_ready(struct far *w)
{
	int fd, conn;

	far_start(w);
	/* SUP_CERTMGR is the first it says */
	fd = open(w->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	far_get(w, w->sup, SUP_CERTMGR);
	far_get(w, w->sup, SUP_READY);
	w->core = far_meet(w, "peer=vault");
	w->verifier = far_meet(w, "peer=verifier");
	far_put_fd(w->sup, SUP_CERTMGR, "node=localhost", fd);
	conn = far_accept(w);
	far_spawn(w, conn);
	far_pay(w, conn, w->bundle.p, w->bundle.len);
	far_done(conn);
	assert_int_equal(
		attr_count(far_get(w, w->verifier, GV_OWN).attrs, "cert"), 2);
}

/* It ends by itself, and not by its filter. */
static inline void far_end(struct far *w)
{
	char path[64];
	int status = -1;

	fd_close(&w->core);
	fd_close(&w->verifier);
	fd_close(&w->sup);
	fd_close(&w->listener);
	assert_int_equal(waitpid(w->pid, &status, 0), w->pid);
	assert_int_equal(status, 0);
	(void)snprintf(path, sizeof path, "%s/api.sock", w->folder);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(w->folder), 0);
	buf_wipe(&w->bundle);
	buf_wipe(&w->token);
	buf_wipe(&w->in);
	world_wipe(&w->w);
}

/* Clients */

struct far_client {
	int fd;
	gnutls_session_t s;
	gnutls_certificate_credentials_t cred;
};

static inline void far_good(int e)
{
	if (e < 0)
		fail_msg("GnuTLS: %s", gnutls_strerror(e));
}

/* certified: it shows the bundle's certificate. */
static inline int far_connect(struct far *w, struct far_client *c,
			      bool certified, const char *priority)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(w->port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval wait = { .tv_sec = FAR_WAIT_S };
	gnutls_datum_t pem = { w->bundle.p, (unsigned)w->bundle.len };
	int e;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
		setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait),
		0);
	assert_int_equal(connect(c->fd, (struct sockaddr *)&at, sizeof at), 0);
	far_good(gnutls_certificate_allocate_credentials(&c->cred));
	if (certified)
		far_good(gnutls_certificate_set_x509_key_mem(
			c->cred, &pem, &pem, GNUTLS_X509_FMT_PEM));
	far_good(gnutls_init(&c->s, GNUTLS_CLIENT));
	far_good(gnutls_priority_set_direct(c->s, priority, NULL));
	far_good(gnutls_credentials_set(c->s, GNUTLS_CRD_CERTIFICATE, c->cred));
	gnutls_transport_set_int(c->s, c->fd);
	do
		e = gnutls_handshake(c->s);
	while (e < 0 && !gnutls_error_is_fatal(e));
	return e;
}

static inline void far_open(struct far *w, struct far_client *c, bool certified)
{
	far_good(far_connect(w, c, certified, "NORMAL"));
}

static inline void far_close(struct far_client *c)
{
	gnutls_deinit(c->s);
	gnutls_certificate_free_credentials(c->cred);
	close(c->fd);
}

static inline void far_say(struct far_client *c, const char *path)
{
	char text[512];

	(void)snprintf(text, sizeof text,
		       "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
	far_good((int)gnutls_record_send(c->s, text, strlen(text)));
}

/* One answer: its status, and words that are in it. */
static inline void far_hear(struct far_client *c, const char *status,
			    const char *words)
{
	static char p[FAR_ANSWER];
	char *body = NULL;
	size_t n = 0, want = SIZE_MAX;

	while (n < want) {
		ssize_t got = gnutls_record_recv(c->s, p + n, sizeof p - 1 - n);

		if (got == GNUTLS_E_AGAIN || got == GNUTLS_E_INTERRUPTED)
			continue;
		if (got <= 0)
			fail_msg("no answer: %s", p);
		n += (size_t)got;
		p[n] = 0;
		body = strstr(p, "\r\n\r\n");
		if (body && want == SIZE_MAX)
			want = (size_t)(body + 4 - p) +
			       (size_t)far_number(
				       strstr(p, "Content-Length: ") + 16);
	}
	if (strncmp(p + 9, status, 3) != 0 || !strstr(p, words))
		fail_msg("no %s with '%s': %s", status, words, p);
}

#endif
