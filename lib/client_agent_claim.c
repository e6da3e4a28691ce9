/* Claiming, and claiming again when it is time. Runs in agents; holds what it claims in
 * secret memory. */
#include "lib/client_agent.h"

#include "lib/clock.h"
#include "lib/secret.h"

#include <string.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* err is not NULL. By the keyring, and where that cannot be, by the socket. */
static enum cretula_err fetch(const struct cretula_agent *a, struct buf *out,
			      enum cretula_way *way, struct cretula_error *why,
			      struct cretula_error *err)
{
	enum cretula_err e;
	int no;

	*way = CRETULA_WAY_SOCKET;
	if (a->flags & CRETULA_AGENT_SOCKET_ONLY) {
		client_fail(why, OK, "it was asked to");
		return agent_by_socket(a, out, err);
	}
	no = agent_by_keyring(a, out);
	*way = CRETULA_WAY_KEYRING;
	if (!no)
		return CRETULA_ERR_NONE;
	if ((a->flags & CRETULA_AGENT_KEYRING_ONLY) || !agent_key_elsewhere(no))
		return agent_key_failed(a, no, err);
	(void)agent_key_failed(a, no, why);
	*way = CRETULA_WAY_SOCKET;
	e = agent_by_socket(a, out, err);
	if (e && !err->reached) { /* both reasons are worth knowing */
		struct cretula_error other = *err;

		(void)client_fail(err, (enum err)e, "%s; and %s", why->text,
				  other.text);
		err->reached = 0;
	}
	return e;
}

static void keep(struct cretula_agent *a, struct agent_bundle *b,
		 enum cretula_way way, const struct cretula_error *why)
{
	a->failures = strcmp(a->bundle.serial, b->serial) ? 0 : a->failures + 1;
	agent_bundle_wipe(&a->bundle);
	a->bundle = *b;
	*b = (struct agent_bundle){ .certs = 0 };
	a->way = way;
	a->why = *why;
}

static enum cretula_err claim(struct cretula_agent *a,
			      struct cretula_error *err)
{
	AUTO(agent_bundle_wipe) struct agent_bundle b = { .certs = 0 };
	AUTO(buf_wipe) struct buf text = { 0 };
	struct cretula_error why = { .text = "" };
	enum cretula_way way;
	struct fault f = { 0 };
	enum cretula_err e;
	enum err parsed;

	buf_init_secret(&text, AGENT_BUNDLE_MAX);
	e = fetch(a, &text, &way, &why, err);
	if (e)
		return e;
	parsed = agent_bundle_parse((const char *)text.p, text.len,
				    cretula_agent_id(a), &b, &f);
	if (parsed != OK)
		return client_fault(err, parsed, &f);
	keep(a, &b, way, &why);
	return CRETULA_ERR_NONE;
}

enum cretula_err cretula_agent_claim(struct cretula_agent *a,
				     struct cretula_error *err)
{
	struct cretula_error mine;
	enum cretula_err e = agent_own(a, err);

	if (e)
		return e;
	if (!(a->flags & CRETULA_AGENT_DUMPABLE))
		(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	e = claim(a, err ? err : &mine);
	if (e)
		a->failures++;
	agent_timer_arm(a);
	return e;
}

enum cretula_err cretula_agent_renew(struct cretula_agent *a, int *changed,
				     struct cretula_error *err)
{
	char before[sizeof a->bundle.serial];
	enum cretula_err e = agent_own(a, err);
	uint64_t times;
	ssize_t n;

	if (e)
		return e;
	/* Nothing is there if the caller did not wait for the descriptor: fine. */
	n = read(a->timer, &times, sizeof times);
	(void)n;
	memcpy(before, a->bundle.serial, sizeof before);
	e = cretula_agent_claim(a, err);
	if (!e && changed)
		*changed = strcmp(before, a->bundle.serial) != 0;
	return e;
}

/* Seconds until another try: longer each time, and a fourth of it at random. */
static uint64_t retry_after(const struct cretula_agent *a, int64_t now)
{
	uint64_t wait = AGENT_RETRY_FIRST, left, r;

	for (unsigned i = 1; i < a->failures && wait < AGENT_RETRY_MAX; i++)
		wait = MIN(2 * wait, AGENT_RETRY_MAX);
	left = a->bundle.not_after > now ? (uint64_t)(a->bundle.not_after - now)
					 : 0;
	if (left)
		wait = MAX(MIN(wait, left / 4), 1);
	random_fill(&r, sizeof r);
	return wait - wait / 8 + r % (wait / 4 + 1);
}

void agent_timer_arm(struct cretula_agent *a)
{
	int64_t now = clock_wall(), at = 0;
	struct itimerspec t = { .it_value = { .tv_sec = 0 } };
	int flags = TFD_TIMER_ABSTIME;

	if (a->bundle.certs)
		at = agent_bundle_renew_at(&a->bundle);
	if (at <= now) { /* overdue */
		at = (int64_t)retry_after(a, now);
		flags = 0;
	}
	t.it_value.tv_sec = at;
	ENSURE(!timerfd_settime(a->timer, flags, &t, NULL));
}
