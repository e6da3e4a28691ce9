/* net: this node towards the CA: what it is, whether the CA answers, what is to be done
 * next; tells keeper. Holds what net_enrol.c has under way.
 *	net -> keeper	KN_STATE */
#include "certmgr/net_boot.h"
#include "certmgr/net_prove.h"

#include "lib/clock.h"
#include "lib/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	/* seconds */
	AGAIN_MIN = 1, /* the CA did not answer: doubled, up to … */
	AGAIN_MAX = 30,
	LOOK_MIN = 5, /* is a refused certificate taken again? doubled, to … */
	LOOK_MAX = 60,
	REST_MAX = 600, /* the wall clock may be set */
	DOUBLINGS = 16,
	PERCENT = 25, /* of jitter, to both sides */
};

struct node me = { .token_fd = -1 };

/* ---- saying so */

bool node_usable(void)
{
	return me.self.there && !me.refused && !me.proving;
}

static bool away(void)
{
	return me.away_since || !me.heard;
}

static void add_self(struct attrs *a)
{
	const struct span root = trust_root(), issuing = trust_issuing();

	ENSURE(attrs_add_str(a, "node", me.self.node) == OK);
	ENSURE(attrs_add_str(a, "serial", me.self.serial) == OK);
	ENSURE(attrs_add_u64(a, "not_after", (uint64_t)me.self.not_after) ==
	       OK);
	ENSURE(attrs_add(a, "root", 0, root.p, root.n) == OK);
	ENSURE(attrs_add(a, "issuing", 0, issuing.p, issuing.n) == OK);
}

static void put_state(struct attrs *a)
{
	const char *state = !node_usable() ? "none" : away() ? "away" : "ready";

	ENSURE(attrs_add_str(a, "state", state) == OK);
	if (*state != 'r')
		ENSURE(attrs_add_str(a, "text", me.why.text) == OK);
	if (*state == 'a')
		ENSURE(attrs_add_u64(a, "since", (uint64_t)me.away_since) ==
		       OK);
	if (me.self.there)
		add_self(a);
}

static void log_state(void)
{
	if (!node_usable())
		log_text(me.why.code == ERR_PENDING ? LOG_INFO : LOG_ERR,
			 "no_certificate", "%s", me.why.text);
	else if (me.away_since)
		log_text(LOG_WARN, "ca_away", "%s", me.why.text);
	else if (me.heard)
		log_text(LOG_INFO, "ca_ready", "node '%s', serial %s",
			 me.self.node, me.self.serial);
}

/* Only what is new. */
/* Others on this machine are to know it, too. */
static void tell_name(void)
{
	static char told[SELF_NODE_MAX + 1];
	struct attrs a;

	if (!me.self.there || !strcmp(told, me.self.node))
		return;
	memcpy(told, me.self.node, sizeof told);
	attrs_init(&a);
	ENSURE(attrs_add_str(&a, "node", me.self.node) == OK);
	net_tell_supervisor(SUP_NODE, attrs_view(&a));
	attrs_wipe(&a);
}

static void tell(void)
{
	struct attrs a;

	tell_name();
	attrs_init(&a);
	put_state(&a);
	if (a.bytes.len != me.told.bytes.len ||
	    memcmp(a.bytes.p, me.told.bytes.p, a.bytes.len)) {
		attrs_wipe(&me.told);
		me.told = a;
		log_state();
		if (me.keeper)
			chan_tell(me.keeper, KN_STATE, 0, attrs_view(&a));
		return;
	}
	attrs_wipe(&a);
}

void node_greet(struct chan *keeper)
{
	me.keeper = keeper;
	chan_tell(keeper, KN_STATE, 0, attrs_view(&me.told));
}

/* ---- time */

uint64_t node_jitter(uint64_t s)
{
	uint32_t r;
	uint64_t ns = s * CLOCK_SECOND;

	random_fill(&r, sizeof r);
	return ns - ns * PERCENT / 100 + ns / 100 * (r % (2 * PERCENT));
}

uint64_t node_doubled(uint64_t s, unsigned times, uint64_t max)
{
	return MIN(s << MIN(times, (unsigned)DOUBLINGS), max);
}

/* At the latest; what comes first counts. */
void node_wait(uint64_t ns)
{
	uint64_t at = clock_boot() + ns;

	if (!me.timer.loop || me.timer.at > at)
		loop_arm(me.loop, &me.timer, at);
}

void node_again(void)
{
	node_wait(node_jitter(node_doubled(AGAIN_MIN, me.tries++, AGAIN_MAX)));
}

/* ---- requests of its own */

void node_busy(void)
{
	ENSURE(!me.busy);
	me.busy = true;
}

void node_not_busy(void)
{
	me.busy = false;
}

void node_settle(void)
{
	if (!me.busy) /* else it is for what is asked now */
		attrs_wipe(&me.next);
	tell();
	if (!me.busy && !me.timer.loop)
		node_wait(0);
}

static void finished(struct web_ask *w, const struct web_answer *a)
{
	void (*raw)(const struct web_answer *a) = me.done_raw;
	struct fault f = { 0 };
	enum outcome o = answer_outcome(a, &f);

	buf_wipe(&w->body);
	node_not_busy();
	me.done_raw = NULL;
	if (raw)
		raw(a);
	else
		me.done(o, a, &f);
	node_settle();
}

static void ask(const struct web_place *p, const char *path)
{
	ENSURE(strlen(path) < sizeof me.ask.path);
	me.ask = (struct web_ask){ .place = p,
				   .urgent = true,
				   .done = finished };
	memcpy(me.ask.path, path, strlen(path) + 1);
	node_busy();
}

void node_ask(const char *path, struct buf *body, node_done *done)
{
	ask(net_place(), path);
	if (body)
		me.ask.body = *body;
	me.done = done;
	web_start(&me.ask);
}

void node_ask_stranger(const struct web_place *p, const char *path,
		       node_done *done)
{
	ask(p, path);
	me.ask.unbelieved = true;
	me.done = done;
	web_start(&me.ask);
}

void node_ask_metadata(const struct web_place *p, const char *path, bool put,
		       const char *header,
		       void (*done)(const struct web_answer *a))
{
	ask(p, path);
	me.ask.whom = "the metadata service";
	me.ask.link_local = true;
	me.ask.unbelieved = true;
	me.ask.put = put;
	me.ask.header = header;
	me.done_raw = done;
	web_start(&me.ask);
}

/* ---- whether the CA answers */

void node_answers(void)
{
	me.heard = true;
	me.away_since = 0;
	me.tries = 0;
}

static void is_away(const struct fault *f)
{
	if (!me.away_since)
		me.away_since = clock_wall();
	if (node_usable())
		me.why = *f;
}

static void is_refused(const struct fault *f)
{
	me.refused = true;
	(void)fault_set(&me.why, ERR_UNAUTHENTICATED,
			"the CA does not take this node's certificate: %s",
			f->text);
}

void node_learn(enum outcome o, const struct fault *f)
{
	switch (o) {
	case OUTCOME_DONE:
	case OUTCOME_FINAL:
	case OUTCOME_BUSY:
		node_answers();
		break;
	case OUTCOME_REFUSED:
		node_answers();
		is_refused(f);
		break;
	case OUTCOME_AWAY:
	case OUTCOME_STRANGE:
		is_away(f);
		break;
	}
}

void node_met(enum outcome o, const struct fault *f)
{
	bool was = away() || me.refused;

	if (!me.self.there)
		return;
	node_learn(o, f);
	if (!was && (away() || me.refused))
		node_again();
	tell();
}

/* Asked with our certificate about our certificate: does it take us? */
static void looked(enum outcome o, const struct web_answer *a,
		   const struct fault *f)
{
	(void)a;
	if (o == OUTCOME_DONE) {
		me.refused = me.proving = false;
		me.looks = 0;
	}
	node_learn(o, f);
	if (away())
		node_again();
	else if (me.refused)
		node_wait(node_jitter(
			node_doubled(LOOK_MIN, me.looks++, LOOK_MAX)));
}

void node_look(void)
{
	char path[NET_PATH_MAX];

	(void)snprintf(path, sizeof path, "/v1/certificates/%s",
		       me.self.serial);
	/* whether it can issue is another question, to be asked when it could
	 * not */
	node_ask(me.away_since && me.heard ? "/readyz" : path, NULL, looked);
}

/* ---- what is to be done next */

/* What is being asked is of no use any more. */
static void give_up(void)
{
	if (!me.busy)
		return;
	web_cancel(&me.ask);
	buf_wipe(&me.ask.body);
	attrs_wipe(&me.next);
	enrol_forget();
	boot_cancel();
	place_cancel();
	prove_cancel();
	me.done_raw = NULL;
	me.busy = false;
	web_next();
}

static bool renewal_due(void)
{
	return clock_wall() >= me.renew_at && clock_boot() >= me.renew_wait;
}

static void rest(void)
{
	int64_t left = me.renew_at - clock_wall();
	uint64_t now = clock_boot();

	if (left <= 0)
		node_wait(me.renew_wait > now ? me.renew_wait - now : 0);
	else
		node_wait((uint64_t)MIN(left, REST_MAX) * CLOCK_SECOND);
}

/* The end of the certificate is seen in time, too. */
static void see_the_end(void)
{
	int64_t left = me.self.not_after - clock_wall();
	struct fault f;

	if (!me.self.there)
		return;
	if (left >= 0) {
		node_wait((uint64_t)MIN(left + 1, REST_MAX) * CLOCK_SECOND);
		return;
	}
	me.self.there = me.refused = me.proving = false;
	prove_stop();
	(void)!web_identify(NULL, (struct span){ 0 }, (struct span){ 0 }, &f);
	give_up();
}

static void next(struct loop_timer *t)
{
	(void)t;
	see_the_end();
	if (!me.busy) {
		if (me.proving && !me.refused)
			proof_look();
		else if (!node_usable())
			enrol_begin();
		else if (renewal_due())
			renew_begin();
		else if (away())
			node_look();
		else
			rest();
	}
	tell();
}

void node_token(int fd)
{
	fd_close(&me.token_fd);
	me.token_fd = fd;
}

void node_look_again(void)
{
	me.bad = false;
	me.bad_times = 0;
	node_wait(0);
}

const char *node_name(struct fault *f)
{
	if (node_usable())
		return me.self.node;
	(void)fault_set(f, ERR_UNAVAILABLE, "%s", me.why.text);
	return NULL;
}

enum err node_issuing(struct span der, struct fault *f)
{
	bool changed;

	TRY(trust_take_issuing(der, &changed, f));
	if (changed)
		tell();
	return OK;
}

void node_open(struct loop *l, const char *name)
{
	me.loop = l;
	me.timer.on = next;
	me.want = name;
	attrs_init(&me.told);
}

static void begin_with_certificate(void)
{
	renew_plan();
	me.away_since = clock_wall();
	(void)fault_set(&me.why, ERR_PENDING, "the CA has not been asked yet");
}

/* The clock may have been wrong when its certificate was found to have ended. */
bool node_has_again(void)
{
	struct fault f;

	if (self_load(me.want, &me.self, &f) != OK)
		return false;
	begin_with_certificate();
	node_wait(0);
	return true;
}

void node_begin(void)
{
	enum err e = self_load(me.want, &me.self, &me.why);

	if (e == OK) {
		begin_with_certificate();
		proof_begin(false);
	} else if (e == ERR_NOT_FOUND) {
		(void)fault_set(&me.why, ERR_PENDING,
				"this node is being enrolled");
	} else {
		log_text(LOG_ERR, "certificate_lost", "%s", me.why.text);
	}
	tell();
	node_wait(0);
}
