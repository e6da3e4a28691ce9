/* The verifier in a process of its own, confined: the test is its supervisor, gate, core,
 * dialer, and the CA's responder at the other end of each connection. */
#ifndef TESTS_VERIFIER_WORLD_H
#define TESTS_VERIFIER_WORLD_H

#include "lib/crl.h"
#include "lib/ocsp.h"
#include "lib/roles.h"
#include "lib/subject.h"

#include "tests/unit/cert_world.h"
#include "tests/unit/role_test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/mman.h>

enum {
	VER_REQUEST_MAX = 32 << 10,
	VER_QUIET_MS = 300, /* nothing comes: it would have by then */
};

#define VER_CONN(n) (CONN_REMOTE | (n))
#define VER_CLOSED  "revocation=ocsp max_age=60 fail=closed"

struct ver_ca {
	struct world w, other;
	struct world_key ocsp; /* of the responder */
	struct buf root, issuing, signer, leaf;
};

static struct ver_ca ca;

/* The responder's certificate: by whom, and for what. */
static inline void ver_signer(const struct world_key *by, unsigned usage,
			      struct buf *out)
{
	struct cert c = world_ocsp(&ca.w);

	c.spki = signkey_spki(ca.ocsp.key);
	c.subject_key = span_of(ca.ocsp.id, CERT_KEY_ID);
	c.authority_key = span_of(by->id, CERT_KEY_ID);
	c.ext_usage = usage;
	c.nocheck = usage == EKU_OCSP;
	world_sign(&c, by, out);
}

static inline int ver_begin(void **state)
{
	struct cert c;

	(void)state;
	world_now = clock_wall();
	world_make(&ca.w, KEY_P256);
	world_make(&ca.other, KEY_P256);
	world_key(&ca.ocsp, KEY_P256, 0);
	c = world_root(&ca.w);
	world_sign(&c, &ca.w.root, &ca.root);
	c = world_issuing(&ca.w);
	world_sign(&c, &ca.w.root, &ca.issuing);
	ver_signer(&ca.w.issuing, EKU_OCSP, &ca.signer);
	c = world_leaf(&ca.w, &ca.w.leaf);
	world_sign(&c, &ca.w.issuing, &ca.leaf);
	return 0;
}

static inline int ver_end(void **state)
{
	(void)state;
	buf_wipe(&ca.root);
	buf_wipe(&ca.issuing);
	buf_wipe(&ca.signer);
	buf_wipe(&ca.leaf);
	signkey_free(&ca.ocsp.key);
	world_wipe(&ca.w);
	world_wipe(&ca.other);
	return 0;
}

/* ---- the role */

struct ver {
	pid_t pid;
	int sup, gate, core, dialer;
	struct buf in, dial;
};

static inline int ver_meet(struct ver *v, const char *peer)
{
	return role_peer(v->sup, peer);
}

static inline void ver_meet_gate(struct ver *v)
{
	fd_close(&v->gate);
	v->gate = ver_meet(v, "peer=gate uid=4294967295");
}

static inline void ver_meet_core(struct ver *v)
{
	fd_close(&v->core);
	v->core = ver_meet(v, "peer=vault");
}

static inline void ver_root_of(struct ver *v, const struct buf *root,
			       const char *node)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	AUTO(buf_wipe) struct buf pem = { .max = 64 << 10 };
	AUTO(fd_close) int fd = memfd_create("root", MFD_CLOEXEC);

	attrs_init(&a);
	assert_int_equal(attrs_add_str(&a, "node", node), OK);
	assert_int_equal(pem_put("CERTIFICATE", span_buf(root), &pem), OK);
	assert_int_equal(write(fd, pem.p, pem.len), (ssize_t)pem.len);
	fd_send(v->sup, SUP_ROOT, 0, attrs_view(&a), fd);
}

static inline void ver_root(struct ver *v, const struct buf *root)
{
	ver_root_of(v, root, "n1");
}

static inline void ver_child(int sup)
{
	int high = fcntl(sup, F_DUPFD, 20);

	if (dup2(high, 3) < 0)
		_exit(70);
	close_range(4, ~0u, 0);
	_exit(role_verifier());
}

static inline void ver_start_only(struct ver *v, const char *how)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	struct fault f = { 0 };
	struct msg m;
	int pair[2];

	*v = (struct ver){ .gate = -1, .core = -1, .dialer = -1 };
	buf_init(&v->in, MSG_MAX + MSG_HEAD);
	buf_init(&v->dial, MSG_MAX + MSG_HEAD);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	fflush(NULL);
	v->pid = fork();
	if (!v->pid)
		ver_child(pair[1]);
	close(pair[1]);
	v->sup = pair[0];
	attrs_init(&a);
	list_of(&a, "daemon=credd role=verifier");
	list_of(&a, how);
	fault_ok(chan_put1(v->sup, SUP_START, 0, attrs_view(&a)), &f);
	fault_ok(chan_get1(v->sup, &v->in, &m, NULL,
			   clock_boot() + ROLE_WAIT_S * CLOCK_SECOND, &f),
		 &f);
	assert_int_equal(m.kind, SUP_READY);
	ver_meet_core(v);
	v->dialer = ver_meet(v, "peer=dialer");
	ver_meet_gate(v);
}

static inline void ver_start(struct ver *v, const char *how)
{
	ver_start_only(v, how);
	ver_root(v, &ca.root);
	ver_meet_gate(v); /* who comes now comes behind the root */
}

static inline void ver_stop(struct ver *v)
{
	int status = -1;

	fd_close(&v->gate);
	fd_close(&v->core);
	fd_close(&v->dialer);
	fd_close(&v->sup);
	buf_wipe(&v->in);
	buf_wipe(&v->dial);
	assert_int_equal(waitpid(v->pid, &status, 0), v->pid);
	assert_int_equal(status, 0);
}

/* ---- what it says */

static inline struct msg ver_get(struct ver *v, int from)
{
	struct fault f = { 0 };
	struct msg m = { 0 };

	fault_ok(chan_get1(from, &v->in, &m, NULL,
			   clock_boot() + ROLE_WAIT_S * CLOCK_SECOND, &f),
		 &f);
	return m;
}

static inline void ver_has(const struct msg *m, const char *name,
			   const char *words)
{
	struct attr a;

	if (!attr_find(m->attrs, name, &a) ||
	    !memmem(a.value, a.len, words, strlen(words))) {
		AUTO(buf_wipe) struct buf all = { .max = MSG_MAX };

		(void)!attr_format_text(m->attrs, &all);
		fail_msg("no %s=%s: %.*s", name, words, (int)all.len,
			 (const char *)all.p);
	}
}

/* Nothing comes from any of them, for a while. */
static inline void ver_quiet(struct ver *v)
{
	struct pollfd w[] = { { .fd = v->gate, .events = POLLIN },
			      { .fd = v->core, .events = POLLIN },
			      { .fd = v->dialer, .events = POLLIN } };

	assert_int_equal(poll(w, NELEM(w), VER_QUIET_MS), 0);
}

static inline void ver_chain(struct ver *v, uint32_t n, const struct buf *leaf,
			     const struct buf *issuing)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	struct fault f = { .text = "sending" };

	attrs_init(&a);
	if (leaf)
		assert_int_equal(attrs_add(&a, "cert", 0, leaf->p, leaf->len),
				 OK);
	if (issuing)
		assert_int_equal(
			attrs_add(&a, "cert", 0, issuing->p, issuing->len), OK);
	list_of(&a, "peer=192.0.2.9");
	fault_ok(chan_put1(v->gate, GV_CHAIN, VER_CONN(n), attrs_view(&a)), &f);
}

static inline void ver_gone(struct ver *v, uint32_t n)
{
	struct fault f = { .text = "sending" };

	fault_ok(chan_put1(v->gate, GV_GONE, VER_CONN(n),
			   (struct attr_view){ 0 }),
		 &f);
}

static inline struct msg ver_conn(struct ver *v, uint32_t n)
{
	struct msg m = ver_get(v, v->core);

	if (m.kind == DC_REFUSED)
		ver_has(&m, "reason", "(let in)");
	assert_int_equal(m.kind, DC_CONN);
	assert_int_equal(m.id, VER_CONN(n));
	return m;
}

/* The core is told, and the gate after it. */
static inline void ver_known(struct ver *v, uint32_t n)
{
	struct fault f = { .text = "sending" };
	struct msg m;

	(void)ver_conn(v, n);
	fault_ok(chan_put1(v->core, DC_KNOWN, VER_CONN(n),
			   (struct attr_view){ 0 }),
		 &f);
	m = ver_get(v, v->gate);
	if (m.kind == GV_BAD)
		ver_has(&m, "text", "(known)");
	assert_int_equal(m.kind, GV_KNOWN);
	assert_int_equal(m.id, VER_CONN(n));
}

static inline void ver_bad(struct ver *v, uint32_t n, const char *error,
			   const char *words)
{
	struct msg m = ver_get(v, v->gate);

	assert_int_equal(m.kind, GV_BAD);
	assert_int_equal(m.id, VER_CONN(n));
	ver_has(&m, "error", error);
	ver_has(&m, "text", words);
}

static inline struct msg ver_refused(struct ver *v, const char *error,
				     const char *words)
{
	struct msg m = ver_get(v, v->core);

	assert_int_equal(m.kind, DC_REFUSED);
	ver_has(&m, "error", error);
	ver_has(&m, "reason", words);
	return m;
}

static inline void ver_unchecked(struct ver *v, const char *words)
{
	struct msg m = ver_get(v, v->core);

	assert_int_equal(m.kind, DC_UNCHECKED);
	ver_has(&m, "reason", words);
	ver_has(&m, "peer", "192.0.2.9");
	ver_has(&m, "cert.uid", WORLD_AGENT);
}

static inline void ver_dropped(struct ver *v, uint32_t n)
{
	struct msg m = ver_get(v, v->core);

	assert_int_equal(m.kind, DC_GONE);
	assert_int_equal(m.id, VER_CONN(n));
}

/* ---- the network */

static inline uint64_t ver_dial_id(struct ver *v)
{
	struct fault f = { 0 };
	struct msg m = { 0 };

	fault_ok(chan_get1(v->dialer, &v->dial, &m, NULL,
			   clock_boot() + ROLE_WAIT_S * CLOCK_SECOND, &f),
		 &f);
	assert_int_equal(m.kind, DIAL);
	ver_has(&m, "host", "ca.corp.example");
	ver_has(&m, "port", "8080");
	return m.id;
}

static inline void ver_no_dial(struct ver *v)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	struct fault f = { .text = "sending" };
	uint64_t id = ver_dial_id(v);

	attrs_init(&a);
	list_of(&a, "text=\"nobody there\"");
	fault_ok(chan_put1(v->dialer, DIAL_FAILED, id, attrs_view(&a)), &f);
}

/* Our end of the connection that it gets. */
static inline int ver_dialled(struct ver *v)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	uint64_t id = ver_dial_id(v);
	int mine = -1, fd = tcp_pair(&mine);

	attrs_init(&a);
	list_of(&a, "address=192.0.2.7");
	fd_send(v->dialer, DIAL_CONNECTED, id, attrs_view(&a), fd);
	close(fd);
	return mine;
}

/* ---- the responder */

/* What is wrong with its answer; zeroed: nothing, and it is good. */
struct lie {
	enum ocsp_cert_status status;
	const struct world_key *signer; /* another one's */
	const struct buf *cert;         /* … whose certificate that is */
	bool other_serial, no_nonce, other_nonce, broken;
	bool twice;       /* revoked, behind what it says first */
	int64_t age;      /* of thisUpdate, s */
	int64_t life;     /* nextUpdate after it; 0: 600 */
	const char *raw;  /* this instead of an answer */
	const char *http; /* another status line */
};

/* Reads one request; where its body begins. */
static inline size_t http_read(int fd, struct buf *in)
{
	const char *length, *end = NULL;
	uint64_t want = 0;
	size_t body = 0;

	while (!end || in->len < body + want) {
		uint8_t *at = NULL;
		ssize_t n;

		assert_int_equal(buf_grow(in, 4096, &at), OK);
		n = read(fd, at, 4096);
		assert_true(n > 0);
		in->len -= 4096 - (size_t)n;
		end = memmem(in->p, in->len, "\r\n\r\n", 4);
		if (!end)
			continue;
		body = (size_t)((const uint8_t *)end + 4 - in->p);
		length = memmem(in->p, body, "Content-Length: ", 16);
		if (length)
			assert_int_equal(
				num_u64(length + 16,
					strspn(length + 16, "0123456789"),
					VER_REQUEST_MAX, &want),
				OK);
	}
	return body;
}

static inline void http_say(int fd, const char *status, const void *p, size_t n)
{
	char head[256];
	int k = snprintf(head, sizeof head,
			 "HTTP/1.1 %s\r\nContent-Length: %zu\r\n"
			 "Connection: close\r\n\r\n",
			 status, n);

	assert_int_equal(write(fd, head, (size_t)k), k);
	assert_int_equal(write(fd, p, n), (ssize_t)n);
}

static inline void ocsp_answer(const struct ocsp_request *r,
			       const struct lie *l, struct buf *out)
{
	static const uint8_t other_nonce[32] = { 1 };
	const struct world_key *by = l->signer ? l->signer : &ca.ocsp;
	const struct buf *cert = l->cert ? l->cert : &ca.signer;
	struct ocsp_basic b = { .produced_at = clock_wall(), .count = 1 };
	struct ocsp_single *s = &b.single[0];
	AUTO(buf_wipe) struct buf data = { .max = OCSP_RESPONSE_MAX };
	AUTO(buf_wipe) struct buf sig = { .max = 1024 };
	uint8_t id[256];

	memcpy(b.responder, by->id, sizeof b.responder);
	s->id = r->id[0];
	if (l->other_serial) {
		memcpy(id, s->id.der.p, s->id.der.n);
		id[s->id.der.n - 1] ^= 1; /* the serial stands last */
		s->id.der = span_of(id, s->id.der.n);
	}
	s->status = l->status;
	s->this_update = b.produced_at - l->age;
	s->next_update = s->this_update + (l->life ? l->life : 600);
	s->revoked_at = world_now;
	s->reason = l->status == OCSP_REVOKED || l->twice;
	if (l->twice) {
		b.single[b.count] = *s;
		b.single[b.count++].status = OCSP_REVOKED;
	}
	b.nonce = l->no_nonce      ? span_of(NULL, 0)
		  : l->other_nonce ? span_of(other_nonce, 32)
				   : r->nonce;
	assert_int_equal(ocsp_data_build(&b, &data), OK);
	assert_int_equal(signkey_sign(by->key, span_buf(&data), &sig), OK);
	if (l->broken)
		sig.p[sig.len - 1] ^= 1;
	assert_int_equal(
		ocsp_response_join(span_buf(&data), signkey_alg(by->key),
				   span_buf(&sig), span_buf(cert), out),
		OK);
}

/* Answers what is asked next. */
static inline void ver_ocsp(struct ver *v, const struct lie *l)
{
	AUTO(buf_wipe) struct buf in = { .max = VER_REQUEST_MAX };
	AUTO(buf_wipe) struct buf out = { .max = OCSP_RESPONSE_MAX };
	AUTO(fd_close) int fd = ver_dialled(v);
	size_t body = http_read(fd, &in);
	struct ocsp_request r;
	struct fault f;

	assert_non_null(memmem(in.p, body, "POST /ocsp HTTP/1.1\r\n", 21));
	assert_non_null(
		memmem(in.p, body, "Host: ca.corp.example:8080\r\n", 28));
	fault_ok(
		ocsp_request_parse(span_of(in.p + body, in.len - body), &r, &f),
		&f);
	assert_int_equal(r.count, 1);
	assert_int_equal(r.nonce.n, 32);
	if (l->raw)
		assert_int_equal(buf_str(&out, l->raw), OK);
	else
		ocsp_answer(&r, l, &out);
	http_say(fd, l->http ? l->http : "200 OK", out.p, out.len);
}

static inline void ver_good(struct ver *v)
{
	const struct lie none = { .status = OCSP_GOOD };

	ver_ocsp(v, &none);
}

/* ---- the revocation list of shard 3 */

struct list {
	uint64_t number;
	int64_t age; /* of thisUpdate, s */
	bool revoked,
		later;     /* the leaf is in it; so is one of a higher number */
	const char *point; /* another URL */
	const struct world_key *by; /* another signer */
};

static inline void list_entry(uint64_t number, int64_t at, struct buf *out)
{
	static const uint8_t tail[SERIAL_TAIL] = { 0xa5, 1, 2, 3, 4,  5,
						   6,    7, 8, 9, 10, 11 };
	struct crl_entry e = { .at = at, .reason = 4 };

	serial_make(3, number, tail, &e.serial);
	assert_int_equal(crl_entry_put(out, &e), OK);
}

static inline void list_make(const struct list *l, struct buf *out)
{
	const char *point =
		l->point ? l->point : "http://ca.corp.example:8080/crl/3";
	const struct world_key *by = l->by ? l->by : &ca.w.issuing;
	AUTO(buf_wipe) struct buf entries = { .max = 4096 };
	AUTO(buf_wipe) struct buf tbs = { .max = 8192 };
	AUTO(buf_wipe) struct buf sig = { .max = 1024 };
	struct crl_head h = { .alg = signkey_alg(by->key),
			      .issuer = world_ca_name("issuing"),
			      .this_update = clock_wall() - l->age,
			      .number = l->number,
			      .authority_key = span_of(ca.w.issuing.id, 20),
			      .point = span_str(point) };

	h.next_update = h.this_update + 3600;
	list_entry(5, h.this_update - 9, &entries);
	if (l->revoked)
		list_entry(77, h.this_update - 9, &entries);
	if (l->later)
		list_entry(78, h.this_update - 9, &entries);
	assert_int_equal(crl_head_put(&tbs, &h, entries.len), OK);
	assert_int_equal(buf_put(&tbs, entries.p, entries.len), OK);
	assert_int_equal(crl_tail_put(&tbs, &h), OK);
	assert_int_equal(signkey_sign(by->key, span_buf(&tbs), &sig), OK);
	assert_int_equal(crl_outer_put(out, tbs.len, h.alg, sig.len), OK);
	assert_int_equal(buf_put(out, tbs.p, tbs.len), OK);
	assert_int_equal(crl_sig_put(out, h.alg, span_buf(&sig)), OK);
}

static inline void ver_list(struct ver *v, const struct list *l)
{
	AUTO(buf_wipe) struct buf in = { .max = VER_REQUEST_MAX };
	AUTO(buf_wipe) struct buf out = { .max = 16384 };
	AUTO(fd_close) int fd = ver_dialled(v);
	size_t body = http_read(fd, &in);

	assert_non_null(memmem(in.p, body, "GET /crl/3 HTTP/1.1\r\n", 21));
	list_make(l, &out);
	http_say(fd, "200 OK", out.p, out.len);
}

#endif
