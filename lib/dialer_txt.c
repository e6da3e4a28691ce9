/* Dialer: names whose TXT records somebody wants. Bytes of strangers are parsed by c-ares
 * (lib/dialer_name.c). Holds nothing.
 *	asker -> dialer	DIAL_TXT	dialer -> asker	DIAL_TEXTS, DIAL_FAILED */
#include "lib/dialer.h"

#include "lib/chan.h"
#include "lib/clock.h"
#include "lib/kinds.h"

#include <stdlib.h>

enum {
	TXTS_MAX = 16, /* at once */
};

struct txt {
	struct txt *next;
	struct chan *to;
	uint64_t id;
	struct name *name;
	struct loop_timer timer;
};

static struct txt *txts;
static size_t txt_count;

static void txt_free(struct txt *t)
{
	struct txt **at = &txts;

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	txt_count--;
	loop_disarm(&t->timer);
	name_free(t->name);
	free(t);
}

static void tell_why(struct chan *to, uint64_t id, const char *text)
{
	struct attrs a;

	attrs_init(&a);
	ENSURE(attrs_add_str(&a, "text", text) == OK);
	chan_tell(to, DIAL_FAILED, id, attrs_view(&a));
	attrs_wipe(&a);
}

static void came(void *arg, const struct name_answer *a)
{
	struct txt *t = arg;

	if (a->text.count)
		chan_tell(t->to, DIAL_TEXTS, t->id, attrs_view(&a->text));
	else
		tell_why(t->to, t->id, a->why.text);
	txt_free(t);
}

static void time_is_up(struct loop_timer *timer)
{
	struct txt *t =
		(struct txt *)((char *)timer - offsetof(struct txt, timer));

	tell_why(t->to, t->id, "no name server answers in time");
	txt_free(t);
}

void txt_ask(struct loop *l, struct chan *to, const struct msg *m,
	     const char *name)
{
	struct txt *t;

	if (txt_count == TXTS_MAX) {
		tell_why(to, m->id, "too many names are being asked for");
		return;
	}
	t = xcalloc(1, sizeof *t);
	t->to = to;
	t->id = m->id;
	t->timer.on = time_is_up;
	t->next = txts;
	txts = t;
	txt_count++;
	loop_arm(l, &t->timer, clock_boot() + DIAL_TIME);
	t->name = name_new_txt(l, name, came, t);
}

void txt_drop(const struct chan *to)
{
	struct txt *t, *next;

	for (t = txts; t; t = next) {
		next = t->next;
		if (t->to == to)
			txt_free(t);
	}
}
