/* gate: TLS handshakes that wait for their client. libmicrohttpd tries such a one again
 * and again until something comes, with a whole processor; so it is set aside, and its
 * descriptor watched here until there is something to read. Holds nothing.
 *
 * GnuTLS reads by shake_pull, which notes who found nothing; after the turn those are
 * suspended. What comes after the handshake libmicrohttpd knows how to wait for. */
#include "lib/gate_part.h"

#include "lib/clock.h"

#include <errno.h>
#include <sys/socket.h>

enum {
	SHAKE_MESSAGE = 64 << 10, /* bytes of one handshake message */
	SHAKE_BYTES = 4 << 10,    /* of a handshake that may always go on */
	SHAKE_BYTES_MAX = 64
			  << 20, /* of all: more than GATE_CONNS usual ones */
};

static struct {
	struct gate_conn *dry; /* of this turn, by next_dry */
	struct gate_dues dues; /* of those set aside */
	size_t bytes;          /* shake_bytes of all connections */
	bool closing;
} shake;

static struct gate_conn *conn_of_due(struct gate_due *d)
{
	return (struct gate_conn *)((char *)d -
				    offsetof(struct gate_conn, due));
}

static void go_on(struct gate_conn *c)
{
	gate_due_drop(&shake.dues, &c->due);
	loop_unwatch(&c->shake);
	MHD_resume_connection(c->mhd);
	mhd_wake(&c->port->mhd);
}

static void readable(struct loop_fd *w, uint32_t events)
{
	(void)events;
	go_on((struct gate_conn *)((char *)w -
				   offsetof(struct gate_conn, shake)));
}

/* It meets its end of file. */
static void overdue(struct gate_due *d)
{
	struct gate_conn *c = conn_of_due(d);

	c->port->closed_slow++;
	gate_due_add(&shake.dues, d);
	(void)shutdown(c->fd, SHUT_RDWR);
	go_on(c);
}

/* Who sent more than most need is let go on only while all together sent little:
 * GnuTLS keeps messages until they are whole, and the chain for good. */
static bool too_much(const struct gate_conn *c)
{
	return c->shake_bytes > SHAKE_BYTES &&
	       shake.bytes > (size_t)SHAKE_BYTES_MAX;
}

static ssize_t shake_pull(gnutls_transport_ptr_t arg, void *p, size_t n)
{
	struct gate_conn *c = arg;
	ssize_t got = recv(c->fd, p, n, 0);

	if (got > 0 && !c->shaken) {
		c->shake_bytes += (size_t)got;
		shake.bytes += (size_t)got;
		if (too_much(c)) {
			c->port->closed_full++;
			errno = ECONNRESET;
			return -1;
		}
	}
	if (got < 0 && errno == EAGAIN && !c->shaken && !c->dry) {
		c->dry = true;
		c->next_dry = shake.dry;
		shake.dry = c;
	}
	return got;
}

/* The client's Finished is the last that is read of a handshake. */
static int heard(gnutls_session_t session, unsigned type, unsigned when,
		 unsigned incoming, const gnutls_datum_t *msg)
{
	bool tls13 = gnutls_protocol_get_version(session) == GNUTLS_TLS1_3;
	gnutls_transport_ptr_t in, out;

	(void)when;
	if (!incoming)
		return 0;
	gnutls_transport_get_ptr2(session, &in, &out);
	if (type == GNUTLS_HANDSHAKE_FINISHED)
		((struct gate_conn *)in)->shaken = true;
	if (type == GNUTLS_HANDSHAKE_CERTIFICATE_PKT &&
	    !gate_shown_ok(msg->data, msg->size, tls13))
		return GNUTLS_E_UNSUPPORTED_CERTIFICATE_TYPE;
	return 0;
}

void gate_shake_begin(struct gate_conn *c, gnutls_session_t session)
{
	gnutls_transport_ptr_t in, out;

	c->shake = (struct loop_fd){ .fd = c->fd,
				     .events = EPOLLIN | EPOLLRDHUP,
				     .on = readable };
	gnutls_transport_get_ptr2(session, &in, &out);
	gnutls_transport_set_ptr2(session, c, out);
	gnutls_transport_set_pull_function(session, shake_pull);
	gnutls_handshake_set_max_packet_length(session, SHAKE_MESSAGE);
	gnutls_handshake_set_hook_function(session, GNUTLS_HANDSHAKE_ANY,
					   GNUTLS_HOOK_POST, heard);
}

void gate_shake_end(struct gate_conn *c)
{
	struct gate_conn **at = &shake.dry;

	shake.bytes -= c->shake_bytes;
	if (c->shake.loop) {
		gate_due_drop(&shake.dues, &c->due);
		loop_unwatch(&c->shake);
	}
	if (!c->dry)
		return;
	while (*at != c)
		at = &(*at)->next_dry;
	*at = c->next_dry;
}

void gate_shake_aside(struct mhd *m)
{
	struct gate_conn *c;

	(void)m;
	while ((c = shake.dry)) {
		shake.dry = c->next_dry;
		c->dry = false;
		if (c->shaken || shake.closing)
			continue;
		/* Without a watch it would never go on. */
		if (loop_watch(gate.loop, &c->shake) != OK)
			continue;
		MHD_suspend_connection(c->mhd);
		gate_due_add(&shake.dues, &c->due);
	}
}

void gate_shake_open(void)
{
	shake.dry = NULL;
	shake.bytes = 0;
	shake.closing = false;
	gate_dues_init(&shake.dues, gate.loop, GATE_IDLE_S * CLOCK_SECOND,
		       overdue);
}

void gate_shake_close(void)
{
	shake.closing = true;
	while (shake.dues.first)
		go_on(conn_of_due(shake.dues.first));
	gate_dues_end(&shake.dues);
}
