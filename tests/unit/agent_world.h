/* An agent of libcretula and the certmgr it claims from, played by the test. */
#ifndef TESTS_UNIT_AGENT_WORLD_H
#define TESTS_UNIT_AGENT_WORLD_H

#include "tests/unit/bundle_world.h"
#include "tests/unit/client_daemon.h"

#include "lib/agent_token.h"
#include "lib/client_agent.h"
#include "lib/clock.h"

#define INSTANCE "0a1b2c3d"
#define NAME     INSTANCE ":" WORLD_AGENT

static struct world w;
static char token[AGENT_TOKEN_TEXT + 1];

/* What the daemon answers claims with. */
static struct {
	struct buf payload;
	const char *error;    /* instead */
	bool token_was_right; /* of the last claim */
} served;

static inline void make_token(void)
{
	AUTO(agent_token_wipe) struct agent_token t = { .secret = NULL };
	AUTO(buf_wipe) struct buf text = { 0 };

	buf_init_secret(&text, AGENT_TOKEN_TEXT);
	agent_token_make(WORLD_AGENT, &t);
	assert_int_equal(agent_token_format(&t, &text), OK);
	memcpy(token, text.p, AGENT_TOKEN_TEXT);
}

static inline int begin(void **state)
{
	(void)state;
	world_now = clock_wall();
	world_make(&w, KEY_P256);
	make_token();
	return 0;
}

static inline int end(void **state)
{
	(void)state;
	world_wipe(&w);
	buf_wipe(&served.payload);
	return 0;
}

/* The next payload: a certificate that began `age` s ago and ends in `left` s. */
static inline void serve_cert(uint8_t instance, int64_t age, int64_t left)
{
	struct cert leaf = world_leaf(&w, &w.leaf);

	leaf.serial = world_serial(instance);
	leaf.not_before = clock_wall() - age;
	leaf.not_after = clock_wall() + left;
	buf_wipe(&served.payload);
	bundle_make(&w, &w.leaf, &leaf, &served.payload);
	served.error = NULL;
}

static inline void clear_env(void)
{
	unsetenv("CRETULA_AGENT");
	unsetenv("CRETULA_TOKEN");
	unsetenv("CRETULA_TOKEN_FD");
}

/* The variable names a pipe with that text in it. */
static inline void token_fd(const char *text)
{
	char number[16];
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(write(ends[1], text, strlen(text)), strlen(text));
	close(ends[1]);
	snprintf(number, sizeof number, "%d", ends[0]);
	setenv("CRETULA_TOKEN_FD", number, 1);
}

static inline struct cretula_agent *new_agent(unsigned flags)
{
	struct cretula_error err = { .text = "" };
	struct cretula_agent *a = NULL;

	clear_env();
	setenv("CRETULA_AGENT", NAME, 1);
	token_fd(token);
	if (cretula_agent_new(&a, &err))
		fail_msg("%s", err.text);
	cretula_agent_set(a, flags);
	return a;
}

/* The claim's socket: the token is in it, to its end; the payload goes there. */
static inline void serve_claim(int fd)
{
	char text[AGENT_TOKEN_TEXT + 1];
	size_t got = 0;
	ssize_t n;

	while ((n = read(fd, text + got, sizeof text - got)) > 0)
		got += (size_t)n;
	served.token_was_right =
		got == AGENT_TOKEN_TEXT && !memcmp(text, token, got);
	if (!served.error)
		ENSURE(write(fd, served.payload.p, served.payload.len) ==
		       (ssize_t)served.payload.len);
	close(fd);
}

/* A call of no verb asks whether anybody is there; any answer will do. */
static inline bool is_probe(int fd, const struct msg *m)
{
	struct attr verb;

	if (attr_find(m->attrs, "verb", &verb))
		return false;
	say(fd, ERROR, m->id, "error", "invalid");
	return true;
}

static inline void claims_script(int fd, int turn)
{
	struct attr verb, agent;
	struct buf in;
	struct msg m;
	int got = -1;

	(void)turn;
	buf_init(&in, 4 << 20);
	while (chan_get1(fd, &in, &m, &got, UINT64_MAX, NULL) == OK) {
		if (is_probe(fd, &m))
			continue;
		ENSURE(attr_find(m.attrs, "verb", &verb) &&
		       attr_is(&verb, "agent.claim") && got >= 0);
		ENSURE(attr_find(m.attrs, "agent", &agent) &&
		       attr_is(&agent, WORLD_AGENT));
		serve_claim(got);
		if (served.error)
			say(fd, ERROR, m.id, "error", served.error);
		else
			say(fd, REPLY, m.id, "agent", WORLD_AGENT);
		buf_clear(&in);
		got = -1;
	}
	buf_wipe(&in);
}

static inline void daemon_begin(void)
{
	d.script = claims_script;
	setenv("CRETULA_CERTMGR", d.path, 1);
	assert_int_equal(pthread_create(&d.thread, NULL, serve, NULL), 0);
}

static inline void claimed(struct cretula_agent *a)
{
	struct cretula_error err = { .text = "" };

	if (cretula_agent_claim(a, &err))
		fail_msg("%s", err.text);
}

#endif
