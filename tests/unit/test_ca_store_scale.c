/* ca's store as it grows: how fast certificates go in, and that questions stay instant
 * and the process small. CA_STORE_ROWS=10000000 for the size it is made for (13 GB in
 * /tmp or TMPDIR); 20,000 otherwise.
 * test: not under valgrind: it knows no seccomp and no Landlock */
#include "tests/unit/ca_store_test.h"

enum {
	GROUP = 100, /* certificates of one transaction */
	AHEAD = 4,   /* transactions sent before the first is answered */
	DER = 700,
	RECORD = 500,
	NODES = 1000,
	TYPES = 5,
	LIFE = 86400,
	PER_SECOND = 100, /* in the certificates' own time */
	REVOKE_EACH = 10, /* so many are not revoked */
	SLOW_MS = 100,    /* of CPU: a question takes less, by far */
	PEAK_KIB = 40960,
};

static uint64_t rows = 20000;

static uint64_t time_of(uint64_t number)
{
	return 1000000 + number / PER_SECOND;
}

static void cert_in(struct txn *t, uint64_t n)
{
	static char agent[40], node[24], type[8];
	struct cert c = cert_of(n);

	/* Its first 48 bits are a time, as in a UUIDv7. */
	(void)snprintf(agent, sizeof agent, "%08x-%04x-7000-8000-%012x",
		       (unsigned)(n >> 16), (unsigned)(n & 0xffff),
		       (unsigned)(n * 2654435761u));
	(void)snprintf(node, sizeof node, "n%u.example",
		       (unsigned)((uint32_t)(n * 2654435761u) % NODES));
	(void)snprintf(type, sizeof type, "t%u", (unsigned)(n % TYPES));
	c.agent = agent;
	c.node = node;
	c.type = type;
	c.not_before = time_of(n);
	c.not_after = time_of(n) + LIFE * (1 + n % TYPES);
	c.log = n;
	c.der = DER;
	op_cert(t, &c);
	if (!(n % REVOKE_EACH))
		op_revoke(t, n - 5, time_of(n), 1);
}

static void send_group(struct role *r, uint64_t *g, uint64_t first)
{
	static uint8_t record[RECORD];
	struct txn t = txn(g);

	add_u64(&t.ops, "first", first - 1);
	for (uint64_t n = first; n < first + GROUP; n++) {
		cert_in(&t, n);
		memcpy(record, &n, sizeof n);
		add_bytes(&t.ops, "record", record, sizeof record);
	}
	txn_send(r, &t);
	++*g;
}

static void get_done(struct role *r, uint64_t *slowest, uint64_t *last)
{
	struct msg m = role_get(r);
	uint64_t now = clock_boot();

	if (m.kind == IS_FAILED)
		assert_failed(&m, IS_DONE, "", "");
	*slowest = MAX(*slowest, now - *last);
	*last = now;
}

static void fill(struct role *r, uint64_t *g)
{
	uint64_t start = clock_boot(), part = start, last = start, slowest = 0;
	unsigned waiting = 0;

	for (uint64_t n = 1; n <= rows; n += GROUP) {
		send_group(r, g, n);
		if (++waiting > AHEAD) {
			get_done(r, &slowest, &last);
			waiting--;
		}
		if ((n + GROUP - 1) % (rows / 4))
			continue;
		print_message("%" PRIu64 " rows: %.0f rows/s, slowest "
			      "commit %.1f ms\n",
			      n + GROUP - 1,
			      (double)(rows / 4) * 1e9 /
				      (double)(clock_boot() - part),
			      (double)slowest / 1e6);
		part = clock_boot();
		slowest = 0;
	}
	while (waiting--)
		get_done(r, &slowest, &last);
	print_message("in all %.0f rows/s\n",
		      (double)rows * 1e9 / (double)(clock_boot() - start));
}

static uint64_t number_at(const char *text)
{
	uint64_t n = 0;

	assert_int_equal(
		num_u64(text, strspn(text, "0123456789"), INT64_MAX, &n), OK);
	return n;
}

/* A field of /proc/PID/status, in KiB. */
static uint64_t status_kib(pid_t pid, const char *name)
{
	char path[64], line[128];
	uint64_t kib = 0;
	FILE *f;

	(void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	assert_non_null(f);
	while (fgets(line, sizeof line, f)) {
		const char *at = line + strlen(name);

		if (strncmp(line, name, strlen(name)) != 0)
			continue;
		at += strspn(at, " \t");
		kib = number_at(at);
	}
	(void)fclose(f);
	return kib;
}

/* What the store has taken so far, which another load on the machine changes less than
 * its speed. */
static double cpu_us(pid_t pid)
{
	uint64_t user, sys;
	char path[64], line[1024];
	char *at;
	FILE *f;

	(void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof line, f));
	(void)fclose(f);
	at = strrchr(line, ')');
	for (int field = 2; at && field < 14; field++)
		at = strchr(at + 1, ' ');
	assert_non_null(at);
	user = number_at(at + 1);
	sys = number_at(strchr(at + 1, ' ') + 1);
	return (double)(user + sys) * 1e6 / (double)sysconf(_SC_CLK_TCK);
}

/* Asks and takes the whole answer; how long it took, how much came. */
static void timed(struct role *r, uint32_t kind, const char *text)
{
	double cpu = cpu_us(r->pid);
	uint64_t start = clock_boot(), ns;
	struct msg m = ask(r, kind, text);
	unsigned items = 0;
	bool more;

	for (; m.kind == IS_ITEM || m.kind == IS_RECORD; m = role_get(r))
		items++;
	if (m.kind == IS_FAILED)
		assert_failed(&m, IS_DONE, "", "");
	ns = clock_boot() - start;
	more = attr_count(m.attrs, "more");
	print_message("%8.3f ms %5u items%s  %s\n", (double)ns / 1e6, items,
		      more ? " +" : "  ", text);
	cpu = (cpu_us(r->pid) - cpu) / 1e3;
	if (cpu > SLOW_MS)
		fail_msg("'%s' took %.0f ms of CPU", text, cpu);
}

static void ask_statuses(struct role *r, uint64_t *seed)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	uint64_t start;

	attrs_init(&a);
	for (int i = 0; i < 500; i++)
		add_u64(&a, "number", 1 + unit_below(seed, rows));
	start = clock_boot();
	role_send(r, IS_STATUS, 1, &a);
	assert_int_equal(attr_count(role_get(r).attrs, "row"), 500);
	print_message("%8.3f ms 500 statuses\n",
		      (double)(clock_boot() - start) / 1e6);
}

static void ask_all(struct role *r)
{
	char text[128];
	uint64_t seed = unit_seed(), now = time_of(rows);

	timed(r, IS_FIND, "limit=100");
	timed(r, IS_FIND, "type=t3 limit=100");
	timed(r, IS_FIND, "node=n77.example limit=100");
	timed(r, IS_FIND, "node=n77.example type=t3 limit=100");
	timed(r, IS_FIND, "type=t1 revoked=yes limit=100");
	timed(r, IS_FIND, "type=t0 revoked=yes limit=100");
	timed(r, IS_FIND, "revoked=no node=n5.example limit=1000");
	timed(r, IS_FIND, "limit=1000 der=yes");
	timed(r, IS_FIND, "expires_before=1000 limit=100");
	timed(r, IS_FIND, "number=7777 limit=1 der=yes");
	timed(r, IS_FIND,
	      "agent=00000000-1000-7000-8000-000000000000 limit=100");
	(void)snprintf(text, sizeof text,
		       "expires_before=%" PRIu64 " not_expired=%" PRIu64
		       " limit=100",
		       now + LIFE / 24, now);
	timed(r, IS_FIND, text);
	timed(r, IS_REVOKED_FROM, "after=0 expired_before=0 limit=16000");
	timed(r, IS_REVOKED_FROM,
	      "after=0 shard=1 expired_before=0 limit=16000");
	(void)snprintf(text, sizeof text, "now=%" PRIu64 " soon=%" PRIu64, now,
		       now + LIFE);
	timed(r, IS_COUNT, text);
	timed(r, IS_PROVE, "index=12345");
	timed(r, IS_PROVE, "number=4321");
	timed(r, IS_PROVE, "old=10001");
	timed(r, IS_READ, "from=1000 count=1000");
	ask_statuses(r, &seed);
}

static void test_it_grows_and_stays_fast(void **state)
{
	const char *said = getenv("CA_STORE_ROWS");
	uint64_t g, start_at;
	struct role r;

	(void)state;
	if (said && num_u64(said, strlen(said), UINT32_MAX, &rows) != OK)
		fail_msg("CA_STORE_ROWS is not a number");
	g = start_loaded(&r);
	fill(&r, &g);
	print_message("%.1f us of the store's CPU a row\n",
		      cpu_us(r.pid) / (double)rows);
	ask_all(&r);
	print_message("resident %" PRIu64 " KiB, at most %" PRIu64 " KiB\n",
		      status_kib(r.pid, "VmRSS:"), status_kib(r.pid, "VmHWM:"));
	if (!getenv("ASAN_OPTIONS"))
		assert_true(status_kib(r.pid, "RssAnon:") < PEAK_KIB);
	assert_int_equal(role_end(&r), 0);
	start_at = clock_boot();
	start(&r);
	role_send(&r, IS_LOAD, 1, NULL);
	assert_int_equal(role_get(&r).kind, IS_STATE);
	print_message("started anew in %.1f ms\n",
		      (double)(clock_boot() - start_at) / 1e6);
	assert_int_equal(kill(r.pid, SIGKILL), 0);
	(void)role_end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_it_grows_and_stays_fast),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
