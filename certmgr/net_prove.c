/* net: the CA's prober calls back (--verify-after): it is shown the certificate that begins
 * later, by the key that is to be proven, at a listener that is there only while a proof is
 * awaited. Bytes of strangers are parsed here, by OpenSSL, before anything is known of
 * them: as far as a handshake goes, and for as long as the certificate is worth nothing.
 * Holds the node's private key, in OpenSSL's memory.
 *	net -> supervisor	SUP_PROOF	supervisor -> net	SUP_PROOF */
#include "certmgr/net_prove.h"

#include "lib/child.h"
#include "lib/clock.h"
#include "lib/log.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	PROVE_CALLS = 16, /* connections at once */
};

/* One handshake, and the end of its connection. */
#define PROVE_TIME (5 * CLOCK_SECOND)

struct prove_call {
	struct loop_fd watch;
	struct loop_timer timer;
	SSL *ssl; /* NULL: free */
	bool done;
};

static struct {
	struct loop *loop;
	bool possible;
	SSL_CTX *ctx;
	struct loop_fd listener;
	struct prove_call call[PROVE_CALLS];
	unsigned came, proven;
	prove_listening *then; /* who waits for a listener */
	struct fault why;      /* there was none */
} prove = { .listener = { .fd = -1 } };

static const unsigned char alpn[] = "\x0e" PROVE_ALPN;

_Static_assert(sizeof alpn == 1 + 14 + 1, "the length is the name's");

/* ---- one call */

static void call_end(struct prove_call *c)
{
	if (!c->ssl)
		return;
	loop_disarm(&c->timer);
	loop_unwatch(&c->watch);
	SSL_free(c->ssl);
	c->ssl = NULL;
	fd_close(&c->watch.fd);
}

static void time_is_up(struct loop_timer *t)
{
	call_end((struct prove_call *)((char *)t -
				       offsetof(struct prove_call, timer)));
}

static bool wants_more(struct prove_call *c, int rc)
{
	int e = SSL_get_error(c->ssl, rc);

	if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE)
		return false;
	loop_change(&c->watch, e == SSL_ERROR_WANT_READ ? EPOLLIN : EPOLLOUT);
	return true;
}

static void go_on(struct prove_call *c)
{
	char byte;
	int rc;

	ERR_clear_error();
	if (!c->done) {
		rc = SSL_accept(c->ssl);
		if (rc != 1) {
			if (!wants_more(c, rc))
				call_end(c);
			return;
		}
		c->done = true;
		prove.proven++;
	}
	/* nothing is wanted of it; its end is */
	rc = SSL_read(c->ssl, &byte, 1);
	if (rc > 0 || !wants_more(c, rc))
		call_end(c);
}

static void ready(struct loop_fd *w, uint32_t events)
{
	(void)events;
	go_on((struct prove_call *)((char *)w -
				    offsetof(struct prove_call, watch)));
}

/* A free one; else the one that is there longest has had its time. */
static struct prove_call *call_place(void)
{
	struct prove_call *first = &prove.call[0];

	for (size_t i = 0; i < PROVE_CALLS; i++) {
		if (!prove.call[i].ssl)
			return &prove.call[i];
		if (prove.call[i].timer.at < first->timer.at)
			first = &prove.call[i];
	}
	call_end(first);
	return first;
}

static void call_begin(int fd)
{
	struct prove_call *c = call_place();

	prove.came++;
	c->done = false;
	c->ssl = SSL_new(prove.ctx);
	c->watch = (struct loop_fd){ .fd = fd, .events = EPOLLIN, .on = ready };
	c->timer.on = time_is_up;
	ENSURE(c->ssl);
	if (SSL_set_fd(c->ssl, fd) != 1 ||
	    loop_watch(prove.loop, &c->watch) != OK) {
		call_end(c);
		return;
	}
	loop_arm(prove.loop, &c->timer, clock_boot() + PROVE_TIME);
	go_on(c);
}

static void caller(struct loop_fd *w, uint32_t events)
{
	int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (fd >= 0)
		call_begin(fd);
}

/* ---- the listener */

static int choose_alpn(SSL *ssl, const unsigned char **out,
		       unsigned char *out_len, const unsigned char *in,
		       unsigned in_len, void *arg)
{
	unsigned char *chosen = NULL;

	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto(&chosen, out_len, alpn, sizeof alpn - 1, in,
				  in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *context(void)
{
	SSL_CTX *c = SSL_CTX_new(TLS_server_method());

	ENSURE(c && SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION) == 1);
	SSL_CTX_set_options(c, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
	(void)SSL_CTX_set_num_tickets(c, 0);
	(void)SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_alpn_select_cb(c, choose_alpn, NULL);
	return c;
}

bool prove_has_listener(void)
{
	return prove.listener.fd >= 0;
}

void prove_serve(void)
{
	if (prove.listener.fd < 0 || prove.ctx)
		return;
	prove.ctx = context();
	prove.came = prove.proven = 0;
	prove.listener.events = EPOLLIN;
	prove.listener.on = caller;
	if (!net_show_certificate(prove.ctx) ||
	    loop_watch(prove.loop, &prove.listener) != OK)
		prove_stop();
}

void prove_stop(void)
{
	loop_unwatch(&prove.listener);
	fd_close(&prove.listener.fd);
	for (size_t i = 0; i < PROVE_CALLS; i++)
		call_end(&prove.call[i]);
	SSL_CTX_free(prove.ctx);
	prove.ctx = NULL;
}

unsigned prove_calls(unsigned *proven)
{
	*proven = prove.proven;
	return prove.came;
}

/* ---- getting it */

bool prove_possible(void)
{
	return prove.possible;
}

void prove_listen(prove_listening *then)
{
	prove.then = then;
	net_tell_supervisor(SUP_PROOF, (struct attr_view){ 0 });
}

void prove_cancel(void)
{
	prove.then = NULL;
}

const char *prove_why(void)
{
	return prove.why.text;
}

void prove_given(const struct msg *m, int fd)
{
	prove_listening *then = prove.then;
	uint64_t port = 0;

	prove.then = NULL;
	prove.why = (struct fault){ .code = OK };
	if (fd >= 0)
		port = child_number(m, "port", UINT16_MAX);
	else if (fault_set(&prove.why, ERR_UNAVAILABLE, "%s",
			   child_text(m, "text")) != OK)
		log_text(LOG_WARN, "not_listening", "%s", prove.why.text);
	if (!then || prove.listener.fd >= 0) {
		fd_close(&fd);
		return;
	}
	prove.listener.fd = fd;
	then((uint16_t)port);
}

void prove_open(struct loop *l, bool possible)
{
	SSL_CTX *warm = context();

	prove.loop = l;
	prove.possible = possible;
	SSL_CTX_free(warm);
}
