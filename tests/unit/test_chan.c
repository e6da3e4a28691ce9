/* lib/chan.c, lib/loop.c, lib/msg.c: messages between real sockets. */
#include "lib/chan.h"
#include "lib/clock.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct seen {
	struct chan c;
	unsigned msgs;
	uint64_t last_id;
	bool ended;
	bool close_inside;
	struct fault why;
};

static void on_msg(struct chan *c, const struct msg *m)
{
	struct seen *s = (struct seen *)c;

	s->msgs++;
	s->last_id = m->id;
	if (s->close_inside)
		chan_close(c);
}

static void on_end(struct chan *c, const struct fault *why)
{
	struct seen *s = (struct seen *)c;

	s->ended = true;
	s->why = *why;
}

static const struct chan_ops ops = { on_msg, on_end, NULL };

static void pair(struct loop *l, struct seen *a, struct seen *b)
{
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv),
			 0);
	memset(a, 0, sizeof *a);
	memset(b, 0, sizeof *b);
	chan_open(&a->c, l, sv[0], false, &ops);
	chan_open(&b->c, l, sv[1], true, &ops);
}

static void many_messages_arrive_in_order(void **state)
{
	struct loop *l = loop_new();
	struct seen a, b;
	struct attrs list;

	(void)state;
	pair(l, &a, &b);
	attrs_init(&list);
	assert_int_equal(attrs_add_str(&list, "op", "sign"), OK);
	for (uint64_t i = 1; i <= 10000; i++)
		assert_int_equal(chan_send(&a.c, 1, i, attrs_view(&list)), OK);
	while (b.msgs < 10000)
		loop_turn(l, CLOCK_SECOND);
	assert_int_equal(b.last_id, 10000);
	attrs_wipe(&list);
	chan_close(&a.c);
	while (!b.ended)
		loop_turn(l, CLOCK_SECOND);
	assert_int_equal(b.why.code, ERR_UNAVAILABLE);
	chan_close(&b.c);
	loop_free(l);
}

static void a_message_of_the_largest_size_passes_and_one_more_byte_does_not(
	void **state)
{
	struct loop *l = loop_new();
	static uint8_t big[ATTR_BYTES_MAX];
	struct seen a, b;
	struct attrs list;

	(void)state;
	pair(l, &a, &b);
	attrs_init(&list);
	assert_int_equal(attrs_add(&list, "x", 0, big, sizeof big - 7), OK);
	assert_int_equal(attrs_add(&list, "y", 0, big, 0), ERR_TOO_LARGE);
	assert_int_equal(chan_send(&a.c, 1, 7, attrs_view(&list)), OK);
	while (!b.msgs)
		loop_turn(l, CLOCK_SECOND);
	assert_int_equal(b.last_id, 7);
	attrs_wipe(&list);
	chan_close(&a.c);
	chan_close(&b.c);
	loop_free(l);
}

static void closing_inside_a_handler_is_safe(void **state)
{
	struct loop *l = loop_new();
	struct seen a, b;

	(void)state;
	pair(l, &a, &b);
	b.close_inside = true;
	for (int i = 0; i < 3; i++)
		assert_int_equal(chan_send(&a.c, 1, 1, (struct attr_view){ 0 }),
				 OK);
	loop_turn(l, 0);
	while (!b.msgs)
		loop_turn(l, CLOCK_SECOND);
	assert_int_equal(b.msgs, 1);
	assert_false(chan_is_open(&b.c));
	chan_close(&a.c);
	loop_free(l);
}

struct drained {
	struct chan c;
	unsigned times;
};

static void on_drain(struct chan *c)
{
	((struct drained *)c)->times++;
}

/* Who waits for that has stopped making more: nobody else would wake him. */
static void it_drains_also_when_the_rest_leaves_by_another_flush(void **state)
{
	static const struct chan_ops drain = { on_msg, on_end, on_drain };
	static uint8_t big[1 << 19], room[1 << 16];
	struct loop *l = loop_new();
	struct drained a = { .times = 0 };
	struct attrs list;
	int sv[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX,
				    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
				    0, sv),
			 0);
	chan_open(&a.c, l, sv[0], false, &drain);
	attrs_init(&list);
	assert_int_equal(attrs_add(&list, "x", 0, big, sizeof big), OK);
	assert_int_equal(chan_send(&a.c, 1, 1, attrs_view(&list)), OK);
	assert_true(a.c.out.len > 0);
	while (a.c.out.len) {
		while (read(sv[1], room, sizeof room) > 0)
			;
		chan_flush(&a.c);
	}
	while (read(sv[1], room, sizeof room) > 0)
		;
	assert_int_equal(a.times, 0);
	loop_turn(l, 0);
	assert_int_equal(a.times, 1);
	loop_turn(l, 0);
	assert_int_equal(a.times, 1);
	attrs_wipe(&list);
	chan_close(&a.c);
	close(sv[1]);
	loop_free(l);
}

static void descriptors_travel_with_their_message(void **state)
{
	struct loop *l = loop_new();
	struct seen a, b;
	int p[2], fd;
	char c = 0;

	(void)state;
	pair(l, &a, &b);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(chan_send(&a.c, 1, 1, (struct attr_view){ 0 }), OK);
	assert_int_equal(
		chan_send_fds(&a.c, 2, 2, (struct attr_view){ 0 }, &p[1], 1),
		OK);
	close(p[1]);
	while (b.msgs < 2)
		loop_turn(l, CLOCK_SECOND);
	fd = chan_take_fd(&b.c);
	assert_true(fd >= 0);
	assert_int_equal(chan_take_fd(&b.c), -1);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(read(p[0], &c, 1), 1);
	assert_int_equal(c, 'x');
	close(fd);
	close(p[0]);
	chan_close(&a.c);
	chan_close(&b.c);
	loop_free(l);
}

static void a_paused_channel_delivers_when_it_goes_on(void **state)
{
	struct loop *l = loop_new();
	struct seen a, b;

	(void)state;
	pair(l, &a, &b);
	chan_pause(&b.c, true);
	for (int i = 0; i < 5; i++)
		assert_int_equal(chan_send(&a.c, 1, 1, (struct attr_view){ 0 }),
				 OK);
	loop_turn(l, 0);
	loop_turn(l, 0);
	assert_int_equal(b.msgs, 0);
	chan_pause(&b.c, false);
	while (b.msgs < 5)
		loop_turn(l, CLOCK_SECOND);
	chan_close(&a.c);
	chan_close(&b.c);
	loop_free(l);
}

static void every_prefix_of_a_message_is_pending(void **state)
{
	struct buf b;
	struct attrs list;
	struct msg m;
	struct fault f;
	size_t used;

	(void)state;
	buf_init(&b, 1000);
	attrs_init(&list);
	assert_int_equal(attrs_add_str(&list, "verb", "run"), OK);
	assert_int_equal(msg_put(&b, 3, 9, attrs_view(&list)), OK);
	for (size_t n = 0; n < b.len; n++)
		assert_int_equal(msg_get(b.p, n, &m, &used, &f), ERR_PENDING);
	assert_int_equal(msg_get(b.p, b.len, &m, &used, &f), OK);
	assert_int_equal(used, b.len);
	assert_int_equal(m.kind, 3);
	b.p[0] = 0xff;
	assert_int_equal(msg_get(b.p, b.len, &m, &used, &f), ERR_TOO_LARGE);
	b.p[0] = 0;
	b.p[3] = 11;
	assert_int_equal(msg_get(b.p, b.len, &m, &used, &f), ERR_INVALID);
	buf_wipe(&b);
	attrs_wipe(&list);
}

static unsigned fired[3], order;
static void fire0(struct loop_timer *t)
{
	(void)t;
	fired[0] = ++order;
}
static void fire1(struct loop_timer *t)
{
	(void)t;
	fired[1] = ++order;
}
static void fire2(struct loop_timer *t)
{
	(void)t;
	fired[2] = ++order;
}

static void timers_fire_in_order_and_disarmed_ones_do_not(void **state)
{
	struct loop *l = loop_new();
	struct loop_timer t[3] = { { .on = fire0 },
				   { .on = fire1 },
				   { .on = fire2 } };
	uint64_t now = clock_boot();

	(void)state;
	loop_arm(l, &t[0], now + 2 * CLOCK_MS);
	loop_arm(l, &t[1], now + CLOCK_MS);
	loop_arm(l, &t[2], now);
	loop_disarm(&t[2]);
	loop_run(l);
	assert_int_equal(fired[1], 1);
	assert_int_equal(fired[0], 2);
	assert_int_equal(fired[2], 0);
	loop_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_messages_arrive_in_order),
		cmocka_unit_test(
			a_message_of_the_largest_size_passes_and_one_more_byte_does_not),
		cmocka_unit_test(closing_inside_a_handler_is_safe),
		cmocka_unit_test(descriptors_travel_with_their_message),
		cmocka_unit_test(
			it_drains_also_when_the_rest_leaves_by_another_flush),
		cmocka_unit_test(a_paused_channel_delivers_when_it_goes_on),
		cmocka_unit_test(every_prefix_of_a_message_is_pending),
		cmocka_unit_test(timers_fire_in_order_and_disarmed_ones_do_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
