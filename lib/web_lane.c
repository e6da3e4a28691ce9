/* Requests by libcurl, which is told to open nothing: no name is resolved, no socket made,
 * no file read, nothing followed. Runs in certmgr's net and in verifiers; holds one answer
 * a lane. */
#include "lib/web_lane.h"

#include "lib/log.h"
#include "lib/web_curl.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	URL_ROOM = WEB_HOST + 32 + WEB_PATH_MAX,
};

static struct {
	const struct web_setup *setup;
	struct curl_slist *headers;
	struct curl_slist *to;
	struct curl_slist *extra; /* those, and one header of a request's own */
	unsigned generation, root;
} common;

void lanes_forget(void)
{
	common.generation++;
}

void lanes_root_changed(void)
{
	common.root++;
	lanes_forget();
}

const char *lane_whom(const struct lane *l)
{
	return l->ask->whom ? l->ask->whom : "the CA";
}

/* ---- TLS */

static CURLcode on_tls(CURL *easy, void *ctx, void *arg)
{
	(void)easy;
	(void)arg;
	return common.setup->tls->on_context(ctx) ? CURLE_OK
						  : CURLE_SSL_CERTPROBLEM;
}

/* ---- the connection */

static curl_socket_t on_socket(void *arg, curlsocktype purpose,
			       struct curl_sockaddr *a)
{
	struct lane *l = arg;
	int fd = l->fd;

	(void)purpose;
	(void)a;
	if (fd < 0) {
		l->wanted = true;
		return CURL_SOCKET_BAD;
	}
	l->fd = -1;
	l->made = common.generation;
	return fd;
}

static int on_socket_made(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	(void)arg;
	(void)fd;
	(void)purpose;
	return CURL_SOCKOPT_ALREADY_CONNECTED;
}

static int on_socket_close(void *arg, curl_socket_t fd)
{
	struct lane *l = arg;

	if (l->watch.loop && l->watch.fd == fd)
		loop_unwatch(&l->watch);
	return close(fd);
}

/* ---- the loop */

static void look(struct lane *l)
{
	loop_defer(l->loop, &l->check);
}

static void act(struct lane *l, curl_socket_t fd, int events)
{
	int running;

	(void)web_curl.multi_socket_action(l->multi, fd, events, &running);
	look(l);
}

static void on_ready(struct loop_fd *w, uint32_t events)
{
	struct lane *l =
		(struct lane *)((char *)w - offsetof(struct lane, watch));

	act(l, w->fd,
	    (events & EPOLLIN ? CURL_CSELECT_IN : 0) |
		    (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
		    (events & (EPOLLERR | EPOLLHUP)
			     ? CURL_CSELECT_ERR | CURL_CSELECT_IN
			     : 0));
}

static void on_time(struct loop_timer *t)
{
	act((struct lane *)((char *)t - offsetof(struct lane, timer)),
	    CURL_SOCKET_TIMEOUT, 0);
}

static int on_watch(CURL *easy, curl_socket_t fd, int what, void *arg,
		    void *socket)
{
	struct lane *l = arg;
	uint32_t events = (what & CURL_POLL_IN ? (uint32_t)EPOLLIN : 0) |
			  (what & CURL_POLL_OUT ? (uint32_t)EPOLLOUT : 0);

	(void)easy;
	(void)socket;
	if (l->watch.loop && l->watch.fd == fd && what != CURL_POLL_REMOVE) {
		loop_change(&l->watch, events);
		return 0;
	}
	if (l->watch.loop && (l->watch.fd == fd || what != CURL_POLL_REMOVE))
		loop_unwatch(&l->watch);
	if (what == CURL_POLL_REMOVE)
		return 0;
	l->watch.fd = fd;
	l->watch.events = events;
	return loop_watch(l->loop, &l->watch) == OK ? 0 : -1;
}

static int on_timer(CURLM *multi, long ms, void *arg)
{
	struct lane *l = arg;

	(void)multi;
	loop_disarm(&l->timer);
	if (ms >= 0)
		loop_arm(l->loop, &l->timer,
			 clock_boot() + (uint64_t)ms * CLOCK_MS);
	return 0;
}

/* Outside of libcurl's own calls, where it may be told what to do next. */
static void on_check(struct loop_work *w)
{
	struct lane *l =
		(struct lane *)((char *)w - offsetof(struct lane, check));
	CURLMsg *m;
	int left;

	while (l->running && (m = web_curl.multi_info_read(l->multi, &left)))
		if (m->msg == CURLMSG_DONE) {
			l->on_done(l, m->data.result);
			return;
		}
}

/* ---- the answer */

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct lane *l = arg;

	l->over = buf_put(&l->body, p, size * n) != OK;
	return l->over ? CURL_WRITEFUNC_ERROR : n;
}

static size_t on_head(char *p, size_t size, size_t n, void *arg)
{
	struct lane *l = arg;

	(void)p;
	l->head += size * n;
	l->over = l->head > WEB_HEAD_MAX;
	return l->over ? 0 : n;
}

static void explain(const struct lane *l, CURLcode rc, struct fault *f)
{
	const char *why = l->why[0] ? l->why : web_curl.easy_strerror(rc);
	const char *url = l->ask->place->url;

	if (l->over)
		(void)fault_set(f, ERR_TOO_LARGE,
				"the answer from '%s' is larger than any that "
				"is expected there: is it %s that is there?",
				url, lane_whom(l));
	else if (rc == CURLE_PEER_FAILED_VERIFICATION)
		(void)fault_set(f, ERR_UNAUTHENTICATED,
				"who answers at '%s' is not the CA whose root "
				"certificate was given (ca_root=): %s",
				url, why);
	else
		(void)fault_set(f, ERR_UNAVAILABLE,
				"%s at '%s' is not reached: %s", lane_whom(l),
				url, why);
}

void lane_answer(struct lane *l, CURLcode rc, struct web_answer *a)
{
	curl_off_t after = 0;
	long status = 0;

	if (rc != CURLE_OK) {
		explain(l, rc, &a->why);
		return;
	}
	/* only now is an older connection given up: one that was not finished
	 * would leave it to be used again, without our certificate */
	l->generation = l->made;
	(void)web_curl.easy_getinfo(l->easy, CURLINFO_RESPONSE_CODE, &status);
	(void)web_curl.easy_getinfo(l->easy, CURLINFO_RETRY_AFTER, &after);
	a->status = status > 0 ? (unsigned)status : 1;
	a->body = span_of(l->body.p, l->body.len);
	a->retry_after = after > 0 ? MIN((uint64_t)after, WEB_RETRY_MAX) : 0;
}

/* ---- a request */

#define SET(option, value)                                                     \
	do {                                                                   \
		if (web_curl.easy_setopt(c, CURLOPT_##option, value) !=        \
		    CURLE_OK)                                                  \
			return ERR_INTERNAL;                                   \
	} while (0)

static enum err set_tls(CURL *c)
{
	struct span pem = common.setup->tls->root();
	struct curl_blob root = { .data = (void *)(uintptr_t)pem.p,
				  .len = pem.n,
				  .flags = CURL_BLOB_COPY };

	SET(SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CAINFO, NULL);
	SET(CAPATH, NULL);
	SET(CAINFO_BLOB, pem.n ? &root : NULL);
	SET(SSL_SESSIONID_CACHE, 0L);
	SET(SSL_CTX_FUNCTION, on_tls);
	return OK;
}

/* A connection to somebody who is not believed is neither found nor left behind. */
static enum err set_trust(struct lane *l)
{
	const bool believed = !l->ask->unbelieved;
	CURL *c = l->easy;

	if (l->root != common.root)
		TRY(set_tls(c));
	l->root = common.root;
	if (believed && !common.setup->tls->root().n)
		return ERR_INTERNAL;
	SET(SSL_VERIFYPEER, believed ? 1L : 0L);
	SET(SSL_VERIFYHOST, believed ? 2L : 0L);
	SET(FORBID_REUSE, believed ? 0L : 1L);
	return OK;
}

static void add_line(struct curl_slist **list, const char *line)
{
	*list = web_curl.slist_append(*list, line);
	ENSURE(*list);
}

/* Lives until the next such request: there is one at a time. */
static struct curl_slist *with_extra(const char *header)
{
	web_curl.slist_free_all(common.extra);
	common.extra = NULL;
	add_line(&common.extra, header);
	add_line(&common.extra, "Expect:");
	return common.extra;
}

static enum err set_request(struct lane *l)
{
	const struct web_ask *w = l->ask;
	char url[URL_ROOM];
	CURL *c = l->easy;

	if (common.setup->tls)
		TRY(set_trust(l));

	(void)snprintf(url, sizeof url, "%s%s", w->place->url, w->path);
	SET(URL, url);
	SET(FRESH_CONNECT,
	    w->unbelieved || l->generation != common.generation ? 1L : 0L);
	SET(HTTPGET, 1L);
	SET(CUSTOMREQUEST, w->put ? "PUT" : NULL);
	SET(HTTPHEADER, w->header ? with_extra(w->header) : common.headers);
	if (!w->body.len)
		return OK;
	SET(POST, 1L);
	SET(POSTFIELDSIZE, (long)w->body.len);
	SET(POSTFIELDS, w->body.p);
	return OK;
}

enum err lane_begin(struct lane *l)
{
	ENSURE(!l->running);
	buf_clear(&l->body);
	l->body.max = l->ask->most ? l->ask->most : common.setup->body_max;
	l->head = 0;
	l->over = l->wanted = false;
	l->why[0] = 0;
	TRY(set_request(l));
	if (web_curl.multi_add_handle(l->multi, l->easy) != CURLM_OK)
		return ERR_INTERNAL;
	l->running = true;
	return OK;
}

void lane_stop(struct lane *l)
{
	if (l->running)
		(void)web_curl.multi_remove_handle(l->multi, l->easy);
	l->running = false;
	loop_undefer(l->loop, &l->check);
	fd_close(&l->fd);
}

void lane_rest(struct lane *l)
{
	buf_clear(&l->body);
}

/* ---- setting up */

static enum err set_all(struct lane *l)
{
	const long ms = (long)(common.setup->ask_time / CLOCK_MS);
	CURL *c = l->easy;

	SET(PROTOCOLS_STR, common.setup->scheme);
	SET(HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(PROXY, "");
	SET(NOSIGNAL, 1L);
	SET(USERAGENT, common.setup->agent);
	SET(ERRORBUFFER, l->why);
	SET(CONNECT_TO, common.to);
	SET(CONNECTTIMEOUT_MS, ms);
	SET(TIMEOUT_MS, ms);
	SET(WRITEFUNCTION, on_body);
	SET(WRITEDATA, l);
	SET(HEADERFUNCTION, on_head);
	SET(HEADERDATA, l);
	SET(OPENSOCKETFUNCTION, on_socket);
	SET(OPENSOCKETDATA, l);
	SET(SOCKOPTFUNCTION, on_socket_made);
	SET(CLOSESOCKETFUNCTION, on_socket_close);
	SET(CLOSESOCKETDATA, l);
	return OK;
}

static enum err set_multi(struct lane *l)
{
	CURLM *m = l->multi;

	if (web_curl.multi_setopt(m, CURLMOPT_SOCKETFUNCTION, on_watch) ||
	    web_curl.multi_setopt(m, CURLMOPT_SOCKETDATA, l) ||
	    web_curl.multi_setopt(m, CURLMOPT_TIMERFUNCTION, on_timer) ||
	    web_curl.multi_setopt(m, CURLMOPT_TIMERDATA, l) ||
	    web_curl.multi_setopt(m, CURLMOPT_MAXCONNECTS, 1L) ||
	    web_curl.multi_setopt(m, CURLMOPT_PIPELINING, CURLPIPE_NOTHING))
		return ERR_INTERNAL;
	return OK;
}

void lane_open(struct lane *l, struct loop *loop,
	       void (*on_done)(struct lane *l, CURLcode rc))
{
	l->loop = loop;
	l->on_done = on_done;
	l->fd = l->watch.fd = -1;
	l->watch.on = on_ready;
	l->timer.on = on_time;
	l->check.on = on_check;
	buf_init(&l->body, common.setup->body_max);
	l->multi = web_curl.multi_init();
	l->easy = web_curl.easy_init();
	ENSURE(l->multi && l->easy);
	ENSURE(set_multi(l) == OK && set_all(l) == OK);
}

void lanes_warm(const struct web_setup *s)
{
	struct fault f;

	if (web_curl_load(&f) != OK) {
		log_text(LOG_CRIT, "not_started", "%s", f.text);
		_exit(1);
	}
	common.setup = s;
	common.generation = 1;
	common.root = 1;
	ENSURE(web_curl.global_init(CURL_GLOBAL_ALL) == CURLE_OK);
	/* an address that is never used: the connection is there already */
	add_line(&common.to, "::192.0.2.1:");
	for (size_t i = 0; i < WEB_HEADERS_MAX && s->header[i]; i++)
		add_line(&common.headers, s->header[i]);
	add_line(&common.headers, "Expect:");
	tzset(); /* reads a file */
	if (s->tls)
		s->tls->warm();
}
