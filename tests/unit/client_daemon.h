/* A daemon of the test's own for libcretula: a thread that plays a script over each
 * connection. */
#ifndef TESTS_CLIENT_DAEMON_H
#define TESTS_CLIENT_DAEMON_H

#include "lib/box.h"
#include "lib/chan.h"
#include "lib/client.h"

#include "tests/unit/unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	CALL = 1,
	REPLY,
	ERROR,
	ITEM,
};

/* The daemon: connection number n of a test is `script` with that n. */
static struct {
	char folder[32];
	char path[64];
	int listener;
	pthread_t thread;
	void (*script)(int fd, int n);
	uint16_t low, high;
	struct box_keys *keys;
	_Atomic int current; /* the connection being served, or -1 */
} d;

static void put_u16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* False if the client did not return the nonce. */
static bool hello(int fd)
{
	uint8_t out[20], in[18];
	size_t got = 0;

	memset(out, 0x5a, 16);
	put_u16(out + 16, d.low);
	put_u16(out + 18, d.high);
	if (send(fd, out, sizeof out, MSG_NOSIGNAL) != sizeof out)
		return false;
	while (got < sizeof in) {
		ssize_t n = recv(fd, in + got, sizeof in - got, 0);

		if (n <= 0)
			return false;
		got += (size_t)n;
	}
	return !memcmp(in, out, 16) && in[16] == 0 && in[17] == 1;
}

static void *serve(void *arg)
{
	(void)arg;
	for (int n = 0;; n++) {
		int fd = accept(d.listener, NULL, NULL);

		if (fd < 0)
			return NULL;
		d.current = fd;
		if (hello(fd))
			d.script(fd, n);
		d.current = -1;
		close(fd);
	}
}

static void write_pub(void)
{
	char path[64];
	struct buf text;
	int fd;

	buf_init(&text, 4096);
	assert_int_equal(box_pub_format(box_public(d.keys), &text), OK);
	snprintf(path, sizeof path, "%s/transport.pub", d.folder);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_int_equal(write(fd, text.p, text.len), text.len);
	close(fd);
	buf_wipe(&text);
}

static int daemon_start(void **state)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	(void)state;
	snprintf(d.folder, sizeof d.folder, "/tmp/cretula-test-XXXXXX");
	if (!mkdtemp(d.folder))
		return -1;
	snprintf(d.path, sizeof d.path, "%s/api.sock", d.folder);
	memcpy(un.sun_path, d.path, strlen(d.path) + 1);
	d.low = d.high = 1;
	d.current = -1;
	d.keys = box_keys_random();
	write_pub();
	d.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(d.listener, (struct sockaddr *)&un, sizeof un) ||
	    listen(d.listener, 8))
		return -1;
	return 0;
}

static int daemon_stop(void **state)
{
	char path[64];

	(void)state;
	(void)shutdown(d.listener, SHUT_RDWR);
	/* A test that failed has left its client open. */
	if (d.current >= 0)
		(void)shutdown(d.current, SHUT_RDWR);
	pthread_join(d.thread, NULL);
	close(d.listener);
	box_keys_drop(&d.keys);
	unlink(d.path);
	snprintf(path, sizeof path, "%s/transport.pub", d.folder);
	unlink(path);
	return rmdir(d.folder);
}

static inline struct cretula *connected(void (*script)(int fd, int n))
{
	struct cretula_error err = { 0 };
	struct cretula *c = NULL;

	d.script = script;
	assert_int_equal(pthread_create(&d.thread, NULL, serve, NULL), 0);
	if (cretula_open(d.path, &c, &err))
		fail_msg("%s", err.text);
	return c;
}

/* The next call; false at the end. */
static inline bool next(int fd, struct buf *in, struct msg *m)
{
	int got = -1;

	buf_clear(in);
	return chan_get1(fd, in, m, &got, UINT64_MAX, NULL) == OK;
}

static inline void say(int fd, uint32_t kind, uint64_t id, const char *name,
		       const char *value)
{
	struct attrs a;

	attrs_init(&a);
	if (name)
		ENSURE(attrs_add_str(&a, name, value) == OK);
	ENSURE(chan_put1(fd, kind, id, attrs_view(&a)) == OK);
	attrs_wipe(&a);
}

#define WITH_DAEMON(test)                                                      \
	cmocka_unit_test_setup_teardown(test, daemon_start, daemon_stop)

#endif
