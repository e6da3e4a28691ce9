/* A TLS server whose certificate comes from certmgr and is renewed while it runs: it
 * sends back every line that it gets, to many clients at once, and a renewal ends none of
 * their connections.
 *
 *	cc -o serve serve.c -lcretula -lssl -lcrypto
 *	cretula agent run --type web -- ./serve 8443
 *	cretula agent run --type web -- ./serve 8443 mutual	(clients need one too)
 *
 * One thread, one poll. What a server of your own needs of it is: claim() at the start, the
 * agent's descriptor among those that are polled, and renew() when it is readable.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* accept4, memrchr */
#endif
#include <cretula/agent.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	CLIENTS_MAX = 256,
	LINES_MAX = 16 << 10, /* bytes of a client that wait to be sent back */
	STEPS_MAX = 16, /* reads and writes of one before the others' turn */
};

/* A connection. A TLS read may have to write and a TLS write to read, so that what it
 * waits for is what OpenSSL said last. */
struct client {
	int fd;
	SSL *ssl;
	short wants; /* POLLIN or POLLOUT */
	char text[LINES_MAX];
	size_t len, sent; /* all of text; what of it went back */
};

static struct client *clients[CLIENTS_MAX];

static int failed(const char *what)
{
	fprintf(stderr, "serve: %s: %s\n", what, strerror(errno));
	return 1;
}

static int cretula_failed(const struct cretula_error *err)
{
	fprintf(stderr, "serve: %s: %s\n", cretula_err_name(err->code),
		err->text);
	return 1;
}

static void say(const char *what, const struct cretula_agent *a)
{
	printf("%s serial=%s way=%s\n", what, cretula_agent_serial(a),
	       cretula_way_name(cretula_agent_way(a)));
	fflush(stdout);
}

/* --- the certificate */

static int claim(struct cretula_agent **a, SSL_CTX *ctx, int mutual)
{
	struct cretula_error err;

	if (cretula_agent_new(a, &err))
		return cretula_failed(&err);
	if (mutual)
		cretula_agent_set(*a, CRETULA_AGENT_VERIFY_PEERS);
	if (cretula_agent_claim(*a, &err) || cretula_agent_use(*a, ctx, &err))
		return cretula_failed(&err);
	say("claimed", *a);
	return 0;
}

/* A claim that fails is no reason to end: what there is is good for a third of its life
 * still, and the descriptor tells when to try again. */
static void renew(struct cretula_agent *a, SSL_CTX *ctx)
{
	struct cretula_error err;
	int changed = 0;

	if (cretula_agent_renew(a, &changed, &err)) {
		(void)cretula_failed(&err);
		return;
	}
	if (!changed)
		return;
	if (cretula_agent_use(a, ctx, &err))
		(void)cretula_failed(&err);
	else
		say("renewed", a);
}

/* --- clients */

static void client_end(struct client **at)
{
	SSL_free((*at)->ssl);
	close((*at)->fd);
	free(*at);
	*at = NULL;
}

static void client_new(int listener, SSL_CTX *ctx)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct client **at = clients;

	if (fd < 0)
		return;
	while (at < clients + CLIENTS_MAX && *at)
		at++;
	if (at == clients + CLIENTS_MAX || !(*at = calloc(1, sizeof **at))) {
		close(fd);
		return;
	}
	(*at)->fd = fd;
	(*at)->wants = POLLIN;
	(*at)->ssl = SSL_new(ctx); /* with the certificate of now */
	if (!(*at)->ssl || SSL_set_fd((*at)->ssl, fd) != 1)
		client_end(at);
	else
		SSL_set_accept_state((*at)->ssl);
}

/* After n <= 0 of an SSL function: 1 if it goes on when the socket is ready. */
static int waits(struct client *c, int n)
{
	int why = SSL_get_error(c->ssl, n);

	if (why == SSL_ERROR_WANT_READ)
		c->wants = POLLIN;
	else if (why == SSL_ERROR_WANT_WRITE)
		c->wants = POLLOUT;
	else
		return 0;
	return 1;
}

/* The whole lines that are not sent yet, up to and with the last line's end. */
static size_t lines(const struct client *c)
{
	const char *nl = memrchr(c->text + c->sent, '\n', c->len - c->sent);

	return nl ? (size_t)(nl + 1 - (c->text + c->sent)) : 0;
}

/* Sends lines back, then reads more. 0 when the connection is over. */
static int client_turn(struct client *c)
{
	int n;

	for (int i = 0; i < STEPS_MAX; i++) {
		size_t whole = lines(c);

		if (whole) {
			n = SSL_write(c->ssl, c->text + c->sent, (int)whole);
			if (n <= 0)
				return waits(c, n);
			c->sent += (size_t)n;
			continue;
		}
		memmove(c->text, c->text + c->sent, c->len - c->sent);
		c->len -= c->sent;
		c->sent = 0;
		if (c->len == LINES_MAX) /* a line without an end */
			return 0;
		n = SSL_read(c->ssl, c->text + c->len,
			     (int)(LINES_MAX - c->len));
		if (n <= 0)
			return waits(c, n);
		c->len += (size_t)n;
	}
	/* OpenSSL may have read more already, of which poll does not know */
	c->wants = POLLIN | POLLOUT;
	return 1;
}

/* --- the loop */

static int listen_at(const char *port)
{
	const struct addrinfo hints = { .ai_family = AF_INET,
					.ai_socktype = SOCK_STREAM };
	struct addrinfo *at = NULL;
	int fd = -1, on = 1;

	if (getaddrinfo("127.0.0.1", port, &hints, &at))
		return -1;
	fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 &&
	    (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) ||
	     bind(fd, at->ai_addr, at->ai_addrlen) || listen(fd, SOMAXCONN))) {
		close(fd);
		fd = -1;
	}
	freeaddrinfo(at);
	return fd;
}

/* Port 0 is any that is free. */
static void say_port(int listener)
{
	struct sockaddr_in at;
	socklen_t n = sizeof at;

	if (!getsockname(listener, (struct sockaddr *)&at, &n))
		printf("listening port=%u\n", ntohs(at.sin_port));
	fflush(stdout);
}

static int serve(int listener, struct cretula_agent *a, SSL_CTX *ctx)
{
	struct pollfd p[2 + CLIENTS_MAX];

	say_port(listener);
	for (;;) {
		p[0] = (struct pollfd){ cretula_agent_fd(a), POLLIN, 0 };
		p[1] = (struct pollfd){ listener, POLLIN, 0 };
		for (int i = 0; i < CLIENTS_MAX; i++)
			p[2 + i] = clients[i]
					   ? (struct pollfd){ clients[i]->fd,
							      clients[i]->wants,
							      0 }
					   : (struct pollfd){ -1, 0, 0 };
		if (poll(p, 2 + CLIENTS_MAX, -1) < 0 && errno != EINTR)
			return failed("poll");
		for (int i = 0; i < CLIENTS_MAX; i++) {
			ERR_clear_error();
			if (p[2 + i].revents && !client_turn(clients[i]))
				client_end(&clients[i]);
		}
		if (p[0].revents)
			renew(a, ctx);
		if (p[1].revents)
			client_new(listener, ctx);
	}
}

int main(int argc, char **argv)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	struct cretula_agent *a = NULL;
	int listener, rc;

	if (argc < 2 || argc > 3 || (argc == 3 && strcmp(argv[2], "mutual"))) {
		fprintf(stderr, "usage: serve PORT [mutual]\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	if (!ctx)
		return 1;
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* A server that verifies clients has to say what its sessions are. */
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"serve", 5);
	rc = claim(&a, ctx, argc == 3);
	listener = rc ? -1 : listen_at(argv[1]);
	if (!rc)
		rc = listener < 0 ? failed(argv[1]) : serve(listener, a, ctx);
	cretula_agent_free(a);
	SSL_CTX_free(ctx);
	return rc;
}
