/* net: a certificate that begins later, and is revoked unless the CA finds its key by then
 * (--verify-after): waits, asks the CA whether it counts, says what went wrong. Holds
 * nothing. */
#include "certmgr/net_prove.h"
#include "certmgr/net_self.h"

#include "lib/clock.h"
#include "lib/log.h"

#include <stdio.h>

enum {
	/* seconds */
	PROOF_LOOK = 10,  /* has it begun? at the latest */
	PROOF_LATE = 15,  /* … since it should have */
	PROOF_AGAIN = 60, /* … is it taken after all? */
	PROOF_LEAST = 60, /* … by a clock that is ahead of the CA's */
};

static void say_waiting(void)
{
	char text[CLOCK_TEXT];

	clock_format(me.self.not_before, text);
	(void)fault_set(&me.why, ERR_PENDING,
			"its certificate begins at %s: until then the CA looks "
			"for the key at '%s'",
			text, me.self.endpoint);
}

static void listening_again(uint16_t port)
{
	(void)port;
	if (me.proving)
		prove_serve();
	else
		prove_stop();
}

/* What the CA has made just now has not begun, whatever our clock says. */
static void mind_the_clock(void)
{
	int64_t ahead = clock_wall() - me.self.not_before;

	if (ahead < 0)
		return;
	me.proof_least = clock_boot() + PROOF_LEAST * CLOCK_SECOND;
	log_text(LOG_WARN, "clock_ahead",
		 "by this node's clock its new certificate began %lld s ago: "
		 "the clock is ahead of the CA's, or its answer came late",
		 (long long)ahead);
}

void proof_begin(bool fresh)
{
	me.proving = me.self.endpoint[0] &&
		     (fresh || clock_wall() < me.self.not_before + PROOF_LATE);
	me.looked_early = false;
	me.proof_least = 0;
	if (!me.proving)
		return;
	if (fresh)
		mind_the_clock();
	say_waiting();
	if (prove_has_listener())
		prove_serve();
	else if (prove_possible())
		prove_listen(listening_again);
	node_wait(0);
}

static void unproven(void)
{
	unsigned proven, came = prove_calls(&proven);

	prove_stop();
	me.refused = true;
	(void)fault_set(&me.why, ERR_UNAUTHENTICATED,
			"the CA has not found this node's key at '%s' in time, "
			"and has revoked the certificate before it began (%u "
			"connections came, %u saw the key): the CA's host has "
			"to get there (verify_listen=, verify_endpoint=, "
			"firewalls); then make another token with 'cretula ca "
			"token --node %s'",
			me.self.endpoint, came, proven, me.self.node);
	log_text(LOG_ERR, "unproven", "%s", me.why.text);
}

static void proof_wait(void)
{
	int64_t left = me.self.not_before + 1 - clock_wall();

	node_wait((uint64_t)MAX(1, MIN(left, (int64_t)PROOF_LOOK)) *
		  CLOCK_SECOND);
}

static void proof_looked(enum outcome o, const struct web_answer *a,
			 const struct fault *f)
{
	(void)a;
	if (o == OUTCOME_DONE) {
		me.proving = false;
		prove_stop();
		node_answers();
		renew_plan();
		return;
	}
	if (o == OUTCOME_REFUSED && clock_boot() > me.proof_least &&
	    clock_wall() > me.self.not_before + PROOF_LATE) {
		node_answers();
		unproven();
		node_wait(node_jitter(PROOF_AGAIN));
		return;
	}
	(void)f;
	say_waiting();
	proof_wait();
}

/* Every other time it waits: the CA's clock says when it begins, ours may be wrong. */
void proof_look(void)
{
	char path[NET_PATH_MAX];

	if (clock_wall() < me.self.not_before && !me.looked_early) {
		me.looked_early = true;
		proof_wait();
		return;
	}
	me.looked_early = false;
	if (!prove_has_listener() &&
	    prove_possible()) /* the port is free now? */
		prove_listen(listening_again);
	web_forget(); /* the CA has judged the connection that there is */
	(void)snprintf(path, sizeof path, "/v1/certificates/%s",
		       me.self.serial);
	node_ask(path, NULL, proof_looked);
}
