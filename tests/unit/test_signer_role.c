/* The signer role as supervisor and issuer see it, confined as in the daemon: a CA is
 * made, it signs, it is killed, and starts anew without a number twice.
 * test: not under valgrind: it knows no seccomp and no Landlock */
#include "ca/kinds_sup.h"
#include "ca/roles.h"
#include "lib/chan.h"
#include "lib/clock.h"

#include "tests/unit/fd_test.h"
#include "tests/unit/signer_world.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum {
	WAIT_S = 120
};

struct running {
	pid_t pid;
	int sup, issuer;
	struct buf in;
	uint8_t box[BOX_KEY];
};

static char folder[64], keyfile[80];

static void send_list(int fd, uint32_t kind, const char *text)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	struct fault f = { 0 };

	attrs_init(&a);
	world_ok(attrs_parse_text(&a, text, strlen(text), &f), &f);
	world_ok(chan_put1(fd, kind, 0, attrs_view(&a)), &f);
}

static struct msg get(struct running *r, int fd)
{
	struct fault f = { 0 };
	struct msg m = { 0 };

	world_ok(chan_get1(fd, &r->in, &m, NULL,
			   clock_boot() + WAIT_S * CLOCK_SECOND, &f),
		 &f);
	return m;
}

static struct span get_bytes(const struct msg *m, const char *name)
{
	struct attr a;

	assert_int_equal(attr_only(m->attrs, name, &a), OK);
	return span_of(a.value, a.len);
}

static uint64_t get_number(const struct msg *m, const char *name)
{
	struct attr a;
	uint64_t n = 0;

	assert_int_equal(attr_only(m->attrs, name, &a), OK);
	assert_int_equal(attr_u64(&a, UINT64_MAX, &n), OK);
	return n;
}

static _Noreturn void child(int sup)
{
	int dir = open(folder, O_RDONLY | O_DIRECTORY);
	int key = open(keyfile, O_RDONLY);
	int high[3] = { fcntl(sup, F_DUPFD, 20), fcntl(dir, F_DUPFD, 20),
			fcntl(key, F_DUPFD, 20) };

	for (int i = 0; i < 3; i++)
		if (high[i] < 0 || dup2(high[i], 3 + i) < 0)
			_exit(70);
	close_range(6, ~0u, 0);
	_exit(role_signer());
}

/* A new issuer is introduced. */
static void meet(struct running *r)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	int pair[2];

	attrs_init(&a);
	fd_close(&r->issuer);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(attrs_add_str(&a, "peer", "issuer"), OK);
	fd_send(r->sup, SUP_PEER, 9, attrs_view(&a), pair[1]);
	close(pair[1]);
	r->issuer = pair[0];
}

static void send_profiles(struct running *r, const char *text)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	struct fault f = { 0 };

	attrs_init(&a);
	assert_int_equal(attrs_add_str(&a, "name", "test"), OK);
	assert_int_equal(attrs_add_str(&a, "text", text), OK);
	send_list(r->sup, SUP_PROFILES, "");
	world_ok(chan_put1(r->sup, SUP_PROFILE, 0, attrs_view(&a)), &f);
	send_list(r->sup, SUP_PROFILES_END, "");
}

static void start(struct running *r)
{
	struct msg m;
	int pair[2];

	*r = (struct running){ .issuer = -1 };
	buf_init(&r->in, MSG_MAX + MSG_HEAD);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	fflush(NULL);
	r->pid = fork();
	if (!r->pid)
		child(pair[1]);
	close(pair[1]);
	r->sup = pair[0];
	send_list(r->sup, SUP_START, "daemon=ca role=signer");
	m = get(r, r->sup);
	assert_int_equal(m.kind, SUP_TRANSPORT);
	assert_int_equal(get_bytes(&m, "key").n, BOX_KEY);
	memcpy(r->box, get_bytes(&m, "key").p, BOX_KEY);
	assert_int_equal(get(r, r->sup).kind, SUP_READY);
	send_profiles(r, world_profiles);
	meet(r);
}

static int stop(struct running *r, int signal)
{
	int status = -1;

	if (signal)
		kill(r->pid, signal);
	fd_close(&r->issuer);
	fd_close(&r->sup);
	buf_wipe(&r->in);
	assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
	return status;
}

static void init_ca(struct running *r)
{
	AUTO(attrs_wipe) struct attrs a = { 0 }, list = { 0 }, scope = { 0 };
	AUTO(buf_wipe) struct buf box = { 0 };
	struct fault f = { 0 };

	attrs_init(&a);
	attrs_init(&list);
	attrs_init(&scope);
	buf_init(&box, 4096);
	assert_int_equal(attrs_add_str(&list, "passphrase", WORLD_PASS), OK);
	world_ok(box_seal(r->box, attrs_view(&list), &box), &f);
	world_ok(attrs_parse_text(&scope, WORLD_SCOPE, strlen(WORLD_SCOPE), &f),
		 &f);
	assert_int_equal(attrs_add(&a, "box", 0, box.p, box.len), OK);
	assert_int_equal(
		attrs_add(&a, "scope", 0, scope.bytes.p, scope.bytes.len), OK);
	assert_int_equal(attrs_add_str(&a, "key_type", "p256"), OK);
	world_ok(chan_put1(r->issuer, IG_INIT, 5, attrs_view(&a)), &f);
}

/* What the issuer knows of the CA, out of IG_STATE. */
struct known {
	struct buf der;
	struct cert cert;
	struct ca_scope scope;
	uint64_t next, epoch;
};

static void known_wipe(struct known *k)
{
	ca_scope_wipe(&k->scope);
	buf_wipe(&k->der);
}

static void know(struct running *r, struct known *k)
{
	struct attr_view scope;
	struct cert_signed split;
	struct fault f = { 0 };
	struct msg m = get(r, r->issuer);
	struct span b;

	assert_int_equal(m.kind, IG_STATE);
	*k = (struct known){ .next = get_number(&m, "next"),
			     .epoch = get_number(&m, "epoch") };
	buf_init(&k->der, CERT_MAX);
	b = get_bytes(&m, "issuing");
	assert_int_equal(buf_put(&k->der, b.p, b.n), OK);
	world_ok(cert_split(span_of(k->der.p, k->der.len), &split, &f), &f);
	world_ok(cert_parse_tbs(split.tbs, &k->cert, &f), &f);
	b = get_bytes(&m, "scope");
	world_ok(attr_parse(b.p, b.n, &scope, &f), &f);
	world_ok(ca_scope_parse(scope, &k->scope, &f), &f);
	world_ok(ca_scope_take(&k->scope, &k->cert, &f), &f);
}

/* Asks for a certificate of that number; IG_SIGNED or IG_REFUSED. */
static void ask_cert(struct running *r, struct known *k, uint64_t number)
{
	AUTO(profiles_free)
	struct profiles *p = world_profiles_of(world_profiles);
	AUTO(signkey_free) struct signkey *key = NULL;
	AUTO(profile_room_wipe) struct profile_room room = { 0 };
	AUTO(attrs_wipe) struct attrs a = { 0 };
	AUTO(buf_wipe) struct buf tbs = { 0 };
	uint8_t tail[SERIAL_TAIL] = { 1 };
	struct fault f = { 0 };
	struct serial serial;
	struct pubkey pub;
	struct cert c;
	struct wish w = { .node = span_str("n1.example"),
			  .agent = span_str(WORLD_AGENT),
			  .key = &pub,
			  .now = clock_wall(),
			  .serial = &serial };

	attrs_init(&a);
	buf_init(&tbs, CERT_TBS_MAX);
	world_ok(signkey_new(KEY_P256, 0, &key, &f), &f);
	world_ok(pubkey_parse(signkey_spki(key), &pub, &f), &f);
	serial_make(k->scope.instance, number, tail, &serial);
	world_ok(profile_fill(profiles_find(p, span_str("web")), &k->scope, &w,
			      &room, &c, &f),
		 &f);
	assert_int_equal(cert_build(&c, &tbs), OK);
	assert_int_equal(attrs_add_str(&a, "profile", "web"), OK);
	assert_int_equal(attrs_add(&a, "tbs", 0, tbs.p, tbs.len), OK);
	world_ok(chan_put1(r->issuer, IG_SIGN, number, attrs_view(&a)), &f);
}

static uint32_t answer(struct running *r, uint64_t id)
{
	struct msg m = get(r, r->issuer);

	assert_int_equal(m.id, id);
	return m.kind;
}

static void new_world(void)
{
	static const char bytes[64] = "0123456789abcdef0123456789abcdef";
	int fd;

	(void)snprintf(folder, sizeof folder, "%s",
		       "/tmp/test_signer_role.XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(keyfile, sizeof keyfile, "%s.key", folder);
	fd = open(keyfile, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_int_equal(write(fd, bytes, sizeof bytes), sizeof bytes);
	close(fd);
}

static int begin(void **state)
{
	(void)state;
	new_world();
	return 0;
}

static int end(void **state)
{
	static const char *const file[] = { KEYS_FILE, ROOT_FILE, MARK_FILE };
	char path[128];

	(void)state;
	for (size_t i = 0; i < NELEM(file); i++) {
		snprintf(path, sizeof path, "%s/%s", folder, file[i]);
		(void)unlink(path);
	}
	(void)unlink(keyfile);
	return rmdir(folder);
}

static void test_makes_a_ca_and_signs(void **state)
{
	AUTO(known_wipe) struct known k = { 0 };
	struct running r;
	struct msg m;

	(void)state;
	start(&r);
	m = get(&r, r.issuer);
	assert_int_equal(m.kind, IG_STATE);
	assert_true(span_is(get_bytes(&m, "state"), "none"));
	init_ca(&r);
	know(&r, &k);
	assert_int_equal(answer(&r, 5), IG_DONE);
	assert_int_equal(k.next, SIGNER_FIRST);
	assert_int_equal(k.epoch, 1);
	ask_cert(&r, &k, k.next);
	assert_int_equal(answer(&r, k.next), IG_SIGNED);
	assert_int_equal(stop(&r, 0), 0);
}

static void test_killed_it_signs_no_number_twice(void **state)
{
	uint64_t last = 0;

	(void)state;
	for (uint64_t i = 0; i < 3; i++) {
		AUTO(known_wipe) struct known k = { 0 };
		struct running r;

		start(&r);
		know(&r, &k);
		assert_int_equal(k.epoch, 2 + i);
		assert_true(k.next > last);
		if (last) {
			ask_cert(&r, &k, last);
			assert_int_equal(answer(&r, last), IG_REFUSED);
		}
		for (last = k.next; last < k.next + 40; last++) {
			ask_cert(&r, &k, last);
			assert_int_equal(answer(&r, last), IG_SIGNED);
		}
		last--;
		assert_true(WIFSIGNALED(stop(&r, SIGKILL)));
	}
}

static void test_a_new_issuer_is_told_where_things_stand(void **state)
{
	AUTO(known_wipe) struct known k = { 0 }, again = { 0 };
	struct running r;

	(void)state;
	start(&r);
	know(&r, &k);
	ask_cert(&r, &k, k.next + 5);
	assert_int_equal(answer(&r, k.next + 5), IG_SIGNED);
	meet(&r);
	know(&r, &again);
	assert_int_equal(again.next, k.next + 6);
	assert_int_equal(again.epoch, k.epoch);
	assert_int_equal(stop(&r, 0), 0);
}

/* A list of profiles with a mistake in it leaves the one before. */
static void test_profiles_come_anew(void **state)
{
	AUTO(known_wipe) struct known k = { 0 };
	struct running r;

	(void)state;
	start(&r);
	know(&r, &k);
	send_profiles(&r, "profile=web lif=9h\n");
	meet(&r); /* behind the profiles, on the same channel */
	known_wipe(&k);
	know(&r, &k);
	ask_cert(&r, &k, k.next);
	assert_int_equal(answer(&r, k.next), IG_SIGNED);
	send_profiles(&r, "profile=other life=9h\n");
	meet(&r);
	known_wipe(&k);
	know(&r, &k);
	ask_cert(&r, &k, k.next);
	assert_int_equal(answer(&r, k.next), IG_REFUSED);
	assert_int_equal(stop(&r, 0), 0);
}

static void test_a_crl_comes_with_its_descriptor(void **state)
{
	AUTO(known_wipe) struct known k = { 0 };
	AUTO(attrs_wipe) struct attrs a = { 0 };
	AUTO(buf_wipe) struct buf tbs = { 0 };
	struct crl_head h = { .this_update = clock_wall(), .number = 1 };
	struct running r;
	int fd = memfd_create("crl", MFD_CLOEXEC);

	(void)state;
	attrs_init(&a);
	buf_init(&tbs, 4096);
	start(&r);
	know(&r, &k);
	h.alg = k.scope.alg;
	h.issuer = k.scope.name;
	h.next_update = h.this_update + 3600;
	h.authority_key = span_of(k.scope.key_id, 20);
	assert_int_equal(crl_head_put(&tbs, &h, 0), OK);
	assert_int_equal(crl_tail_put(&tbs, &h), OK);
	assert_int_equal(write(fd, tbs.p, tbs.len), (ssize_t)tbs.len);
	assert_int_equal(attrs_add_u64(&a, "offset", 0), OK);
	assert_int_equal(attrs_add_u64(&a, "size", tbs.len), OK);
	fd_send(r.issuer, IG_CRL, 9, attrs_view(&a), fd);
	assert_int_equal(answer(&r, 9), IG_CRL_SIGNED);
	/* its number was written, although nobody waited for that */
	assert_int_equal(stop(&r, 0), 0);
	start(&r);
	known_wipe(&k);
	know(&r, &k);
	fd_send(r.issuer, IG_CRL, 9, attrs_view(&a), fd);
	assert_int_equal(answer(&r, 9), IG_REFUSED);
	assert_int_equal(stop(&r, 0), 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_makes_a_ca_and_signs),
		cmocka_unit_test(test_killed_it_signs_no_number_twice),
		cmocka_unit_test(test_a_new_issuer_is_told_where_things_stand),
		cmocka_unit_test(test_profiles_come_anew),
		cmocka_unit_test(test_a_crl_comes_with_its_descriptor),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
