/* Benchmarks only: see web.h. */
#include "tests/bench/lib/web.h"

#include "lib/clock.h"
#include "lib/num.h"
#include "tests/bench/lib/stage.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	ROOM = 64 << 10,
	TIMES_MAX = 1 << 22,
	EVENTS = 64,
};

struct conn {
	int fd;
	SSL *tls; /* NULL: plain */
	bool busy;
	uint64_t since;
	size_t have;
	char in[ROOM];
};

struct run {
	struct conn *conn;
	int epoll;
	web_next *next;
	void *arg;
	bool over; /* no more requests are sent */
	unsigned busy;
	float *us;
	size_t times;
	struct web_result *out;
};

/* Connecting */

static SSL_CTX *tls_new(const struct web_to *to)
{
	SSL_CTX *c = SSL_CTX_new(TLS_client_method());

	ENSURE(c != NULL);
	if (!SSL_CTX_load_verify_locations(c, to->root, NULL))
		bench_die("'%s' is no root certificate", to->root);
	SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL);
	if (to->cert &&
	    (!SSL_CTX_use_certificate_file(c, to->cert, SSL_FILETYPE_PEM) ||
	     !SSL_CTX_use_PrivateKey_file(c, to->key, SSL_FILETYPE_PEM)))
		bench_die("'%s' and '%s' are no certificate and key", to->cert,
			  to->key);
	SSL_CTX_set_mode(c, SSL_MODE_AUTO_RETRY);
	return c;
}

static void local_connect(struct conn *c, const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	ENSURE(strlen(path) < sizeof at.sun_path);
	memcpy(at.sun_path, path, strlen(path));
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ENSURE(c->fd >= 0);
	if (connect(c->fd, (const struct sockaddr *)&at, sizeof at))
		bench_die("'%s': %s", path, strerror(errno));
}

static void port_connect(struct conn *c, uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ENSURE(c->fd >= 0);
	if (connect(c->fd, (const struct sockaddr *)&at, sizeof at))
		bench_die("port %u: %s", port, strerror(errno));
	ENSURE(!setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one));
}

static void conn_open(struct conn *c, const struct web_to *to, SSL_CTX *tls)
{
	if (to->path)
		local_connect(c, to->path);
	else
		port_connect(c, to->port);
	if (tls) {
		c->tls = SSL_new(tls);
		ENSURE(c->tls && SSL_set_fd(c->tls, c->fd) == 1);
		ENSURE(SSL_set1_host(c->tls, to->host) == 1);
		if (SSL_connect(c->tls) != 1)
			bench_die("port %u: the TLS handshake failed",
				  to->port);
	}
	ENSURE(!fcntl(c->fd, F_SETFL, O_NONBLOCK));
}

static void conn_close(struct conn *c)
{
	SSL_free(c->tls);
	close(c->fd);
}

/* Asking */

static void ask(struct run *r, struct conn *c)
{
	struct span q = r->over ? (struct span){ 0 } : r->next(r->arg);
	ssize_t n;

	c->busy = q.p != NULL;
	if (!c->busy) {
		r->over = true;
		return;
	}
	c->since = clock_boot();
	c->have = 0;
	r->busy++;
	n = c->tls ? SSL_write(c->tls, q.p, (int)q.n) : write(c->fd, q.p, q.n);
	if (n != (ssize_t)q.n)
		bench_die("a request cannot be sent");
}

/* Bytes of the whole answer in c->in, or 0: not there yet. */
static size_t whole(const struct conn *c)
{
	static const char end[] = "\r\n\r\n", last[] = "\r\n0\r\n\r\n";
	static const char length[] = "\r\nContent-Length: ";
	const char *head = memmem(c->in, c->have, end, 4), *at;
	size_t head_len;
	uint64_t n;

	if (!head)
		return 0;
	head_len = (size_t)(head - c->in) + 4;
	at = memmem(c->in, head_len, length, sizeof length - 1);
	if (!at)
		return c->have >= 7 && !memcmp(c->in + c->have - 7, last, 7)
			       ? c->have
			       : 0;
	at += sizeof length - 1;
	ENSURE(num_u64(at, strspn(at, "0123456789"), ROOM, &n) == OK);
	return c->have >= head_len + n ? head_len + (size_t)n : 0;
}

static void answered(struct run *r, struct conn *c, size_t n)
{
	struct web_result *o = r->out;

	c->busy = false;
	r->busy--;
	if (c->have != n)
		bench_die("there is more than one answer");
	if (n > 12 &&
	    (!memcmp(c->in + 9, "200", 3) || !memcmp(c->in + 9, "201", 3))) {
		o->answers += !r->over;
		o->bytes = n;
	} else if (!o->refused++) {
		(void)snprintf(o->refusal, sizeof o->refusal, "%.*s", (int)n,
			       c->in);
	}
	if (r->times < TIMES_MAX)
		r->us[r->times++] = (float)(clock_boot() - c->since) / 1000;
	ask(r, c);
}

static void came(struct run *r, struct conn *c)
{
	ssize_t n;
	size_t all;

	do {
		n = c->tls ? SSL_read(c->tls, c->in + c->have,
				      (int)(ROOM - c->have - 1))
			   : read(c->fd, c->in + c->have, ROOM - c->have - 1);
		if (n <= 0 && c->tls &&
		    SSL_get_error(c->tls, (int)n) == SSL_ERROR_WANT_READ)
			return;
		if (n < 0 && !c->tls && errno == EAGAIN)
			return;
		if (n <= 0)
			bench_die("the server ended a connection");
		c->have += (size_t)n;
		all = whole(c);
		if (all)
			answered(r, c, all);
	} while (c->tls ? SSL_pending(c->tls) > 0 : false);
}

/* All */

static int by_value(const void *a, const void *b)
{
	const float *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void loop(struct run *r, uint64_t ns)
{
	uint64_t start = clock_boot();
	struct epoll_event e[EVENTS];

	while (r->busy) {
		int n = epoll_wait(r->epoll, e, EVENTS, 10000);

		if (!n)
			bench_die("no answer in ten seconds");
		for (int i = 0; i < n; i++)
			came(r, e[i].data.ptr);
		if (!r->over && clock_boot() - start >= ns)
			r->over = true;
		if (!r->over || !r->out->ns)
			r->out->ns = clock_boot() - start;
	}
}

void web_run(const struct web_to *to, unsigned conns, uint64_t ns,
	     web_next *next, void *arg, struct web_result *out)
{
	struct run r = { .next = next, .arg = arg, .out = out };
	SSL_CTX *tls = to->root ? tls_new(to) : NULL;

	ENSURE(conns && conns <= WEB_CONNS_MAX);
	memset(out, 0, sizeof *out);
	r.epoll = epoll_create1(EPOLL_CLOEXEC);
	ENSURE(r.epoll >= 0);
	r.conn = xcalloc(conns, sizeof *r.conn);
	r.us = xcalloc(TIMES_MAX, sizeof *r.us);
	for (unsigned i = 0; i < conns; i++) {
		struct epoll_event e = { .events = EPOLLIN,
					 .data.ptr = &r.conn[i] };

		conn_open(&r.conn[i], to, tls);
		ENSURE(!epoll_ctl(r.epoll, EPOLL_CTL_ADD, r.conn[i].fd, &e));
	}
	for (unsigned i = 0; i < conns; i++)
		ask(&r, &r.conn[i]);
	loop(&r, ns);
	qsort(r.us, r.times, sizeof *r.us, by_value);
	if (r.times) {
		out->p50_us = (double)r.us[r.times / 2];
		out->p99_us = (double)r.us[r.times - 1 - r.times / 100];
	}
	for (unsigned i = 0; i < conns; i++)
		conn_close(&r.conn[i]);
	free(r.conn);
	free(r.us);
	close(r.epoll);
	SSL_CTX_free(tls);
}

uint16_t web_port(const char *address)
{
	const char *colon = strrchr(address, ':');
	uint64_t n;

	if (!colon ||
	    num_u64(colon + 1, strlen(colon + 1), UINT16_MAX, &n) != OK)
		bench_die("'%s' is no HOST:PORT", address);
	return (uint16_t)n;
}

void web_say(const struct web_result *r)
{
	printf("{\"rate\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f, "
	       "\"answers\": %llu, \"refused\": %llu, \"bytes\": %zu}\n",
	       (double)r->answers * 1e9 / (double)MAX(r->ns, 1u), r->p50_us,
	       r->p99_us, (unsigned long long)r->answers,
	       (unsigned long long)r->refused, r->bytes);
	if (r->refused)
		fprintf(stderr, "%s\n", r->refusal);
}
