/* Verifier: what is known of the revocation of certificates, and when to ask again: at
 * half of max_age while it is used, sooner and sooner not after failures (they back off),
 * and what happens when no answer is young enough. Holds the answers. */
#include "lib/verifier.h"

#include "lib/log.h"
#include "lib/map.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define BACKOFF_MIN CLOCK_SECOND
#define BACKOFF_MAX (30 * CLOCK_SECOND)
/* A list's number is kept, so that an older one is not taken, after its last use. */
#define LIST_KEPT (3600 * CLOCK_SECOND)

enum {
	BACKOFF_SHIFTS = 5,
	JITTER = 5, /* a fifth */
};

static struct map *lists; /* sources of lists, by URL */

static void source_key(const void *value, const void **key, size_t *len)
{
	*key = ((const struct vsource *)value)->url;
	*len = strlen(((const struct vsource *)value)->url);
}

static uint64_t max_age(void)
{
	return (uint64_t)verifier.max_age * CLOCK_SECOND;
}

/* Less by up to a fifth: who asked at one time does not ask again at one time. */
static uint64_t jitter(uint64_t ns)
{
	uint64_t some = ns / JITTER;

	return ns - (some ? randombytes_uniform(UINT32_MAX) % some : 0);
}

/* ---- when next */

static bool is_fresh(const struct vsource *s)
{
	return s->has && clock_boot() < s->as_of + max_age();
}

/* Unused, it is kept as long as what it knows is of use. */
static uint64_t next_look(const struct vsource *s)
{
	uint64_t stale = s->as_of + max_age(), at;

	if (!s->users)
		return MAX(s->has ? stale : 0,
			   s->next_try + (verifier.by_list ? LIST_KEPT : 0));
	if (s->fetch)
		return s->has ? stale : UINT64_MAX;
	at = MAX(s->tries || !s->has ? 0 : s->look_at, s->next_try);
	return s->has ? MIN(at, stale) : at;
}

static void plan(struct vsource *s)
{
	uint64_t at = next_look(s);

	loop_disarm(&s->timer);
	if (at != UINT64_MAX)
		loop_arm(verifier.loop, &s->timer, at);
}

/* ---- its end */

static void source_free(struct vsource *s)
{
	if (s->fetch)
		fetch_cancel(s->fetch);
	loop_disarm(&s->timer);
	if (verifier.by_list)
		(void)map_drop(lists, s->url, strlen(s->url));
	s->ca->users--;
	revoked_list_wipe(&s->list);
	free(s->url);
	free(s->why);
	free(s);
}

void source_leave(struct vcert *c)
{
	struct vsource *s = c->source;

	*c->at = c->next;
	if (c->next)
		c->next->at = c->at;
	c->source = NULL;
	if (!s->certs)
		source_free(s);
}

/* Nobody uses it and it knows nothing of use: its certificates, and so itself, are
 * forgotten; but those that are known to be revoked are not, for OCSP. */
static void source_forget(struct vsource *s)
{
	struct vcert *c = s->certs, *next;

	if (!verifier.by_list && c->why)
		return;
	for (; c; c = next) {
		next = c->next;
		cert_drop(c); /* the last one's end is that of s */
	}
}

/* ---- verdicts */

static void cannot_check(const struct vsource *s, struct fault *f)
{
	(void)fault_set(f, ERR_UNAVAILABLE,
			"whether the client certificate is revoked cannot be "
			"checked: %s",
			s->why ? s->why : "there is no answer in time");
}

/* Once, until it is known again whether it is revoked. */
static void note_unchecked(struct vcert *c, const struct fault *why)
{
	if (!c->conns || c->unchecked)
		return;
	c->unchecked = true;
	refuse_not(why, c->conns->peer, attrs_view(&c->who));
}

/* There is no answer that is young enough. */
static void undecided(struct vsource *s, bool all)
{
	struct vcert *c, *next;
	struct fault f;

	cannot_check(s, &f);
	if (verifier.open && !s->unchecked && s->users)
		log_text(LOG_WARN, "weaker",
			 "revocation_fail=open: let in all the same: %s",
			 f.text);
	s->unchecked = verifier.open;
	for (c = s->certs; c; c = next) {
		next = c->next;
		if (c->why)
			cert_all_bad(c, c->why);
		else if (verifier.open) {
			note_unchecked(c, &f);
			cert_all_good(c);
		} else if (all)
			cert_all_bad(c, &f);
		else
			cert_waiting_bad(c, &f);
	}
}

static void fetch(struct vsource *s, bool urgent)
{
	struct fault f;

	if (!s->fetch && fetch_start(s, urgent, &f) != OK)
		source_failed(s, &f);
}

void source_settle(struct vsource *s)
{
	if (!s->has || is_fresh(s))
		return;
	s->has = false;
	undecided(s, true);
}

/* By what is known; false: that is not enough. */
static bool decide(struct vcert *c)
{
	struct revoked_answer a = { 0 };

	if (verifier.by_list &&
	    revoked_list_judge(&c->source->list,
			       span_of(c->serial, SERIAL_SIZE), clock_wall(),
			       &a, NULL) != OK)
		return false;
	if (a.revoked)
		cert_is_revoked(c, &a);
	else
		cert_all_good(c);
	return true;
}

/* In the last list there was, however old: that is final. */
static void look_up(struct vcert *c)
{
	const struct revoked_list *l = &c->source->list;
	struct revoked_answer a = { 0 };

	if (verifier.by_list && !c->why &&
	    revoked_list_judge(l, span_of(c->serial, SERIAL_SIZE),
			       l->this_update, &a, NULL) == OK &&
	    a.revoked)
		cert_is_revoked(c, &a);
}

/* cert_is_revoked ends conn as well. */
void source_judge(struct vcert *c, struct vconn *conn)
{
	struct vsource *s = c->source;
	struct fault f;

	look_up(c);
	if (conn->state == VCONN_BAD)
		return;
	if (c->why) {
		conn_bad(conn, c->why);
		return;
	}
	if (is_fresh(s) && decide(c))
		return;
	if (s->unchecked) {
		cannot_check(s, &f);
		note_unchecked(c, &f);
		conn_good(conn);
	} else if (s->tries && clock_boot() < s->next_try && !s->fetch)
		undecided(s, false);
	else
		fetch(s, true);
}

/* ---- answers */

static void took_too_long(struct vsource *s)
{
	struct fault f;

	(void)fault_set(&f, ERR_UNAVAILABLE,
			"the answer came when it was older than %lld seconds "
			"(revocation_max_age=)",
			(long long)verifier.max_age);
	source_failed(s, &f);
}

void source_answered(struct vsource *s, uint64_t as_of)
{
	struct vcert *c, *next;

	s->has = true;
	s->as_of = as_of;
	if (!is_fresh(s)) {
		s->has = false;
		took_too_long(s);
		return;
	}
	s->look_at = as_of + jitter(max_age() / 2);
	s->tries = 0;
	s->next_try = clock_boot() + jitter(MIN(max_age() / 4, BACKOFF_MIN));
	s->unchecked = false;
	free(s->why);
	s->why = NULL;
	for (c = s->certs; c; c = next) {
		next = c->next;
		c->unchecked = false;
		if (!c->why)
			(void)decide(c);
	}
	plan(s);
}

void source_failed(struct vsource *s, const struct fault *why)
{
	unsigned shifts = MIN(s->tries, BACKOFF_SHIFTS);
	uint64_t wait = MIN(BACKOFF_MIN << shifts, BACKOFF_MAX);

	/* while there is an answer, often enough that one comes in time */
	wait = MIN(wait, MAX(max_age() / 8, BACKOFF_MIN));
	s->tries++;
	s->next_try = clock_boot() + jitter(wait);
	free(s->why);
	s->why = xstrdup(why->text);
	log_text(s->tries == 1 ? LOG_WARN : LOG_DEBUG, "revocation",
		 "no answer from '%s': %s", s->url, why->text);
	if (!is_fresh(s))
		undecided(s, false);
	plan(s);
}

/* ---- time */

static void look(struct loop_timer *t)
{
	struct vsource *s =
		(struct vsource *)((char *)t - offsetof(struct vsource, timer));

	if (!s->users) {
		source_forget(s);
		return;
	}
	source_settle(s);
	if (s->users && clock_boot() >= s->next_try)
		fetch(s, !s->has);
	if (s->certs)
		plan(s);
}

void source_used(struct vsource *s, int by)
{
	if (by > 0)
		s->users++;
	else
		s->users--;
	if (s->users <= 1)
		plan(s);
}

/* ---- beginnings */

static struct vsource *source_new(struct vca *ca, struct span url)
{
	struct vsource *s = xcalloc(1, sizeof *s);

	s->url = xcalloc(1, url.n + 1);
	memcpy(s->url, url.p, url.n);
	s->ca = ca;
	ca->users++;
	s->timer.on = look;
	return s;
}

static enum err list_source(const struct vcert *c, struct span url,
			    struct vsource **out, struct fault *f)
{
	if (!lists)
		lists = map_new(source_key);
	*out = map_find(lists, url.p, url.n);
	/* a list is of one CA and one instance of it: nobody else is in it */
	if (*out && (*out)->ca == c->ca && (*out)->instance == c->serial[0])
		return OK;
	if (*out || map_count(lists) >= VERIFIER_LISTS)
		return fault_set(f, ERR_UNAVAILABLE,
				 "whether the client certificate is revoked "
				 "cannot be checked: %s",
				 *out ? "its list is another's as well"
				      : "there are too many lists");
	*out = source_new(c->ca, url);
	(*out)->instance = c->serial[0];
	map_add(lists, *out);
	return OK;
}

enum err source_of(struct vcert *c, struct span url, struct fault *f)
{
	struct vsource *s = NULL;

	if (!url.n)
		return fault_set(f, ERR_DENIED,
				 "the client certificate does not say where to "
				 "ask whether it is revoked (%s)",
				 verifier.by_list ? "CRL distribution point"
						  : "OCSP");
	if (verifier.by_list)
		TRY(list_source(c, url, &s, f));
	else
		s = source_new(c->ca, url);
	c->source = s;
	c->next = s->certs;
	c->at = &s->certs;
	if (s->certs)
		s->certs->at = &c->next;
	s->certs = c;
	return OK;
}
