/* Dialer: one name being resolved. Every name has a c-ares channel of its own, so that
 * a changed /etc/resolv.conf counts at once, and what is given up is gone. Bytes of
 * strangers (DNS answers) are parsed here, by c-ares. Holds nothing. */
#include "lib/dialer.h"

#include "lib/clock.h"

#include <ares.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum {
	NAME_SOCKETS = 16,   /* that one channel may have open */
	NAME_TIMEOUT = 1000, /* ms for the first try of a server */
	NAME_TRIES = 3,
	CLASS_IN = 1, /* RFC 1035, 3.2 */
	TYPE_TXT = 16,
};

struct name_socket {
	struct loop_fd watch; /* first member */
	struct name *name;
};

struct name {
	struct loop *loop;
	ares_channel channel;
	bool has_channel;
	struct name_socket socket[NAME_SOCKETS];
	struct loop_timer timer;
	struct loop_work settled;
	struct name_answer answer;
	char host[DIAL_HOST];
	bool txt; /* its texts are wanted, not its addresses */
	void (*on_done)(void *arg, const struct name_answer *a);
	void *arg;
};

/* c-ares says when it has something to do next. */
static void rearm(struct name *n)
{
	struct timeval most = { .tv_sec = 60 };
	struct timeval *tv = ares_timeout(n->channel, &most, &most);
	uint64_t ns = (uint64_t)tv->tv_sec * CLOCK_SECOND +
		      (uint64_t)tv->tv_usec * 1000;

	loop_arm(n->loop, &n->timer, clock_boot() + ns);
}

static void time_came(struct loop_timer *t)
{
	struct name *n =
		(struct name *)((char *)t - offsetof(struct name, timer));

	ares_process_fd(n->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	rearm(n);
}

static void ready(struct loop_fd *w, uint32_t events)
{
	struct name *n = ((struct name_socket *)w)->name;
	bool in = events & (EPOLLIN | EPOLLERR | EPOLLHUP);
	bool out = events & (EPOLLOUT | EPOLLERR | EPOLLHUP);

	ares_process_fd(n->channel, in ? w->fd : ARES_SOCKET_BAD,
			out ? w->fd : ARES_SOCKET_BAD);
	rearm(n);
}

static struct name_socket *socket_of(struct name *n, int fd)
{
	for (size_t i = 0; i < NAME_SOCKETS; i++)
		if (n->socket[i].watch.loop && n->socket[i].watch.fd == fd)
			return &n->socket[i];
	for (size_t i = 0; i < NAME_SOCKETS; i++)
		if (!n->socket[i].watch.loop)
			return &n->socket[i];
	return NULL;
}

/* c-ares opened or is about to close fd, or waits for something else there. A socket
 * too many is not watched: its question times out, and another server is asked. */
static void socket_state(void *arg, ares_socket_t fd, int in, int out)
{
	struct name *n = arg;
	struct name_socket *s = socket_of(n, fd);
	uint32_t events =
		(in ? (uint32_t)EPOLLIN : 0) | (out ? (uint32_t)EPOLLOUT : 0);

	if (!s)
		return;
	if (!events) {
		loop_unwatch(&s->watch);
		return;
	}
	if (s->watch.loop) {
		loop_change(&s->watch, events);
		return;
	}
	s->name = n;
	s->watch = (struct loop_fd){ .fd = fd, .events = events, .on = ready };
	(void)!loop_watch(n->loop, &s->watch);
}

static void take_addresses(struct name_answer *a,
			   const struct ares_addrinfo *ai)
{
	const struct ares_addrinfo_node *node = ai->nodes;

	for (; node && a->n < NAME_ADDRESSES; node = node->ai_next)
		if (address_of_sockaddr(node->ai_addr, &a->address[a->n]) == OK)
			a->n++;
}

static void say_why(struct name *n, int status)
{
	struct fault *f = &n->answer.why;
	enum err e;

	switch (status) {
	case ARES_SUCCESS:
	case ARES_ENOTFOUND:
	case ARES_ENODATA:
		e = fault_set(f, ERR_NOT_FOUND, "the name '%s' has no %s",
			      n->host, n->txt ? "TXT record" : "address");
		break;
	case ARES_ETIMEOUT:
	case ARES_ECONNREFUSED:
		e = fault_set(f, ERR_UNAVAILABLE,
			      "no name server answers about '%s'", n->host);
		break;
	default:
		e = fault_set(f, ERR_UNAVAILABLE,
			      "the name '%s' cannot be resolved: %s", n->host,
			      ares_strerror(status));
	}
	ENSURE(e != OK);
}

/* Runs inside of c-ares, also while the name is asked for: told later. */
static void answered(void *arg, int status, int timeouts,
		     struct ares_addrinfo *ai)
{
	struct name *n = arg;

	(void)timeouts;
	if (status == ARES_EDESTRUCTION)
		return;
	if (status == ARES_SUCCESS)
		take_addresses(&n->answer, ai);
	if (ai)
		ares_freeaddrinfo(ai);
	if (!n->answer.n)
		say_why(n, status);
	loop_defer(n->loop, &n->settled);
}

/* A record may be several texts: as one. */
static void add_text(struct attrs *to, const struct ares_txt_ext **at)
{
	struct buf b;
	bool fits = true;

	buf_init(&b, NAME_TEXT_MAX);
	do {
		fits &= buf_put(&b, (*at)->txt, (*at)->length) == OK;
		*at = (*at)->next;
	} while (*at && !(*at)->record_start);
	if (fits && to->count < NAME_TEXTS)
		ENSURE(attrs_add(to, "text", 0, b.p, b.len) == OK);
	buf_wipe(&b);
}

static void answered_txt(void *arg, int status, int timeouts,
			 unsigned char *reply, int len)
{
	struct ares_txt_ext *list = NULL;
	const struct ares_txt_ext *at;
	struct name *n = arg;

	(void)timeouts;
	if (status == ARES_EDESTRUCTION)
		return;
	if (status == ARES_SUCCESS)
		status = ares_parse_txt_reply_ext(reply, len, &list);
	for (at = list; at;)
		add_text(&n->answer.text, &at);
	if (list)
		ares_free_data(list);
	if (!n->answer.text.count)
		say_why(n, status);
	loop_defer(n->loop, &n->settled);
}

static void settled(struct loop_work *w)
{
	struct name *n =
		(struct name *)((char *)w - offsetof(struct name, settled));

	n->on_done(n->arg, &n->answer);
}

/* No search list and no aliases: the name that was allowed is the name that is asked
 * for, whatever this machine's configuration would make of it. */
static int open_channel(struct name *n)
{
	struct ares_options o = { .flags = ARES_FLAG_NOSEARCH |
					   ARES_FLAG_NOALIASES,
				  .timeout = NAME_TIMEOUT,
				  .tries = NAME_TRIES,
				  .ndomains = 0,
				  .sock_state_cb = socket_state,
				  .sock_state_cb_data = n };

	return ares_init_options(&n->channel, &o,
				 ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS |
					 ARES_OPT_TRIES | ARES_OPT_DOMAINS |
					 ARES_OPT_SOCK_STATE_CB);
}

static void ask(struct name *n)
{
	/* in no order of c-ares', which would open a socket for each */
	struct ares_addrinfo_hints hints = { .ai_family = AF_UNSPEC,
					     .ai_socktype = SOCK_STREAM,
					     .ai_flags = ARES_AI_NOSORT };

	if (n->txt)
		ares_query(n->channel, n->host, CLASS_IN, TYPE_TXT,
			   answered_txt, n);
	else
		ares_getaddrinfo(n->channel, n->host, NULL, &hints, answered,
				 n);
}

/* An address is no question, whatever c-ares and its configuration think of it. */
static bool is_address(struct name *n)
{
	uint8_t b[ADDRESS_SIZE];
	struct address *a = &n->answer.address[0];

	if (n->txt)
		return false;
	if (inet_pton(AF_INET, n->host, b) == 1)
		n->answer.n = address_of_bytes(b, 4, a) == OK;
	else if (inet_pton(AF_INET6, n->host, b) == 1)
		n->answer.n = address_of_bytes(b, ADDRESS_SIZE, a) == OK;
	return n->answer.n > 0;
}

static struct name *begin(struct loop *l, const char *host, bool txt,
			  void (*on_done)(void *arg,
					  const struct name_answer *a),
			  void *arg)
{
	struct name *n = xcalloc(1, sizeof *n);
	int status;

	ENSURE(strlen(host) < sizeof n->host);
	memcpy(n->host, host, strlen(host) + 1);
	attrs_init(&n->answer.text);
	n->loop = l;
	n->txt = txt;
	n->timer.on = time_came;
	n->settled.on = settled;
	n->on_done = on_done;
	n->arg = arg;
	if (is_address(n)) {
		loop_defer(l, &n->settled);
		return n;
	}
	status = open_channel(n);
	if (status != ARES_SUCCESS) {
		say_why(n, status);
		loop_defer(l, &n->settled);
		return n;
	}
	n->has_channel = true;
	ask(n);
	rearm(n);
	return n;
}

struct name *name_new(struct loop *l, const char *host,
		      void (*on_done)(void *arg, const struct name_answer *a),
		      void *arg)
{
	return begin(l, host, false, on_done, arg);
}

struct name *name_new_txt(struct loop *l, const char *host,
			  void (*on_done)(void *arg,
					  const struct name_answer *a),
			  void *arg)
{
	return begin(l, host, true, on_done, arg);
}

void name_free(struct name *n)
{
	if (!n)
		return;
	if (n->has_channel)
		ares_destroy(n->channel);
	for (size_t i = 0; i < NAME_SOCKETS; i++)
		loop_unwatch(&n->socket[i].watch);
	loop_disarm(&n->timer);
	loop_undefer(n->loop, &n->settled);
	attrs_wipe(&n->answer.text);
	free(n);
}
