/* A CA as certmgr's net sees it, and the role in a process of its own: the test is its
 * supervisor, keeper and dialer, and answers at the other end of each connection. */
#ifndef TESTS_NET_WORLD_H
#define TESTS_NET_WORLD_H

#include "certmgr/net_self.h"
#include "certmgr/roles.h"
#include "lib/csr.h"

#include "tests/unit/cert_world.h"
#include "tests/unit/role_test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/stat.h>

#define NET_CA_HOST "ca." WORLD_DOMAIN
#define NET_CA_URL  "https://" NET_CA_HOST ":7443"

enum {
	NET_REQUEST_MAX = 128 << 10,
	NET_TEXT_MAX = 64 << 10,
};

struct net_ca {
	struct world w;
	struct world_key server, other_root, other_issuing;
	struct buf root, issuing, cert, bad_name, bad_root;
	struct token token;
	char dir[64]; /* of the test: state folder, root, token */
	char token_text[TOKEN_TEXT + 1];
};

static struct net_ca ca;

static inline void net_write(const char *name, const void *p, size_t n)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof path, "%s/%s", ca.dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, n), (ssize_t)n);
	close(fd);
}

static inline void net_rename(const char *from, const char *to)
{
	char a[160], b[160];

	(void)snprintf(a, sizeof a, "%s/%s", ca.dir, from);
	(void)snprintf(b, sizeof b, "%s/%s", ca.dir, to);
	assert_int_equal(rename(a, b), 0);
}

static inline int net_open(const char *name, int flags)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof path, "%s/%s", ca.dir, name);
	fd = open(path, flags | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/* A token in the file, another each time; whoever reads the old file reads the old
 * token. */
static inline void net_new_token(void)
{
	AUTO(buf_wipe) struct buf b = { 0 };
	char from[128], to[128];

	if (ca.token.seed)
		token_wipe(&ca.token);
	token_make(&ca.token);
	buf_init_secret(&b, 256);
	assert_int_equal(token_format(&ca.token, &b), OK);
	memcpy(ca.token_text, b.p, b.len);
	ca.token_text[b.len] = 0;
	net_write("token.new", b.p, b.len);
	(void)snprintf(from, sizeof from, "%s/token.new", ca.dir);
	(void)snprintf(to, sizeof to, "%s/token", ca.dir);
	assert_int_equal(rename(from, to), 0);
}

static inline void net_server_cert(const struct world_key *by, const char *host,
				   struct buf *out)
{
	struct cert c = world_plain(&ca.w, &ca.server);

	c.alg = signkey_alg(by->key);
	c.authority_key = span_of(by->id, CERT_KEY_ID);
	c.subject = world_ca_name("tls");
	world_name(&c.dns, host);
	world_sign(&c, by, out);
}

static inline int net_begin(void **state)
{
	AUTO(buf_wipe) struct buf pem = { 0 };
	struct cert c;

	(void)state;
	world_now = clock_wall();
	world_make(&ca.w, KEY_P256);
	world_key(&ca.server, KEY_P256, 0);
	world_key(&ca.other_root, KEY_P256, 0);
	c = world_root(&ca.w);
	world_sign(&c, &ca.w.root, &ca.root);
	c = world_issuing(&ca.w);
	world_sign(&c, &ca.w.root, &ca.issuing);
	net_server_cert(&ca.w.issuing, NET_CA_HOST, &ca.cert);
	net_server_cert(&ca.w.issuing, "other." WORLD_DOMAIN, &ca.bad_name);
	net_server_cert(&ca.other_root, NET_CA_HOST, &ca.bad_root);
	(void)snprintf(ca.dir, sizeof ca.dir, "/tmp/cretula-net-XXXXXX");
	assert_non_null(mkdtemp(ca.dir));
	buf_init(&pem, NET_TEXT_MAX);
	assert_int_equal(
		pem_put("CERTIFICATE", span_of(ca.root.p, ca.root.len), &pem),
		OK);
	net_write("root.pem", pem.p, pem.len);
	net_new_token();
	return 0;
}

/* Each test begins with an empty state folder. */
static inline void net_clean(const char *what)
{
	char line[200];

	(void)snprintf(line, sizeof line, "rm -rf %s/%s", ca.dir, what);
	assert_int_equal(system(line), 0);
}

static inline int net_end(void **state)
{
	(void)state;
	net_clean("");
	token_wipe(&ca.token);
	buf_wipe(&ca.root);
	buf_wipe(&ca.issuing);
	buf_wipe(&ca.cert);
	buf_wipe(&ca.bad_name);
	buf_wipe(&ca.bad_root);
	signkey_free(&ca.server.key);
	signkey_free(&ca.other_root.key);
	world_wipe(&ca.w);
	return 0;
}

/* ---- the role */

struct net {
	pid_t pid;
	int sup, keeper, dialer;
	struct buf in, dial;
};

static inline int net_meet(struct net *n, const char *peer)
{
	return role_peer(n->sup, peer);
}

static inline void net_child(int sup, int dir, int root, int token)
{
	int fd[] = { sup, dir, root, token };

	for (size_t i = 0; i < NELEM(fd); i++)
		fd[i] = fcntl(fd[i], F_DUPFD, 20);
	for (size_t i = 0; i < NELEM(fd); i++)
		if (dup2(fd[i], (int)i + 3) < 0)
			_exit(70);
	close_range(7, ~0u, 0);
	_exit(role_net());
}

static inline void net_start_as(struct net *n, const char *node)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	AUTO(fd_close) int dir = -1;
	AUTO(fd_close) int root = net_open("root.pem", O_RDONLY);
	AUTO(fd_close) int token = net_open("token", O_RDONLY);
	struct fault f = { 0 };
	struct msg m;
	char path[128];
	int pair[2];

	(void)snprintf(path, sizeof path, "%s/state", ca.dir);
	(void)mkdir(path, 0700);
	dir = net_open("state", O_RDONLY | O_DIRECTORY);
	buf_init(&n->in, MSG_MAX + MSG_HEAD);
	buf_init(&n->dial, MSG_MAX + MSG_HEAD);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	fflush(NULL);
	n->pid = fork();
	if (!n->pid)
		net_child(pair[1], dir, root, token);
	close(pair[1]);
	n->sup = pair[0];
	attrs_init(&a);
	list_of(&a, "daemon=certmgr role=net given=root "
		    "given=token ca=" NET_CA_URL);
	if (node)
		assert_int_equal(attrs_add_str(&a, "node", node), OK);
	fault_ok(chan_put1(n->sup, SUP_START, 0, attrs_view(&a)), &f);
	/* who has a certificate says whose first */
	do
		fault_ok(chan_get1(n->sup, &n->in, &m, NULL,
				   clock_boot() + ROLE_WAIT_S * CLOCK_SECOND,
				   &f),
			 &f);
	while (m.kind == SUP_NODE);
	assert_int_equal(m.kind, SUP_READY);
	n->keeper = net_meet(n, "peer=keeper");
	n->dialer = net_meet(n, "peer=dialer");
}

static inline void net_start(struct net *n)
{
	net_start_as(n, WORLD_NODE);
}

static inline void net_stop(struct net *n)
{
	int status = -1;

	fd_close(&n->keeper);
	fd_close(&n->dialer);
	fd_close(&n->sup);
	buf_wipe(&n->in);
	buf_wipe(&n->dial);
	assert_int_equal(waitpid(n->pid, &status, 0), n->pid);
	assert_int_equal(status, 0);
}

static inline struct msg net_get(struct net *n)
{
	struct fault f = { 0 };
	struct msg m = { 0 };

	fault_ok(chan_get1(n->keeper, &n->in, &m, NULL,
			   clock_boot() + ROLE_WAIT_S * CLOCK_SECOND, &f),
		 &f);
	return m;
}

static inline void net_has(const struct msg *m, const char *name,
			   const char *words)
{
	struct attr a;

	assert_int_equal(attr_only(m->attrs, name, &a), OK);
	if (!memmem(a.value, a.len, words, strlen(words)))
		fail_msg("%s: %.*s", name, (int)a.len, (const char *)a.value);
}

/* The next message is that state, and its sentence says so. */
static inline struct msg net_state(struct net *n, const char *state,
				   const char *words)
{
	struct msg m = net_get(n);
	struct attr a;

	if (m.kind == KN_FAILED)
		net_has(&m, "text", "(a state)");
	assert_int_equal(m.kind, KN_STATE);
	assert_int_equal(attr_only(m.attrs, "state", &a), OK);
	if (!attr_is(&a, state)) {
		if (attr_only(m.attrs, "text", &a) == OK)
			net_has(&m, "text", state);
		fail_msg("it is not %s", state);
	}
	if (words)
		net_has(&m, "text", words);
	return m;
}

/* ---- the CA's end */

struct conn {
	int fd;
	SSL *ssl;
	struct buf in;
	size_t body; /* where it begins */
};

static inline void net_dialled(struct net *n, uint64_t id, int fd)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };

	attrs_init(&a);
	list_of(&a, "address=192.0.2.7");
	fd_send(n->dialer, DIAL_CONNECTED, id, attrs_view(&a), fd);
}

static inline void net_not_dialled(struct net *n, uint64_t id)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	struct fault f = { .text = "sending" };

	attrs_init(&a);
	list_of(&a, "text=\"nobody there\"");
	fault_ok(chan_put1(n->dialer, DIAL_FAILED, id, attrs_view(&a)), &f);
}

/* The next thing that is dialled: its id. */
static inline uint64_t net_dial_id(struct net *n)
{
	struct fault f = { 0 };
	struct msg m = { 0 };

	fault_ok(chan_get1(n->dialer, &n->dial, &m, NULL,
			   clock_boot() + ROLE_WAIT_S * CLOCK_SECOND, &f),
		 &f);
	assert_int_equal(m.kind, DIAL);
	net_has(&m, "host", NET_CA_HOST);
	net_has(&m, "port", "7443");
	return m.id;
}

static inline int any_peer(int ok, X509_STORE_CTX *ctx)
{
	(void)ok;
	(void)ctx;
	return 1;
}

static inline void net_use_cert(SSL_CTX *c, const struct buf *cert)
{
	AUTO(buf_wipe) struct buf key = { 0 };
	const unsigned char *p;
	EVP_PKEY *k;
	X509 *x;

	buf_init_secret(&key, 4096);
	assert_int_equal(signkey_format(ca.server.key, &key), OK);
	p = key.p;
	k = d2i_AutoPrivateKey(NULL, &p, (long)key.len);
	assert_int_equal(SSL_CTX_use_PrivateKey(c, k), 1);
	EVP_PKEY_free(k);
	p = cert->p;
	x = d2i_X509(NULL, &p, (long)cert->len);
	assert_int_equal(SSL_CTX_use_certificate(c, x), 1);
	X509_free(x);
	p = ca.issuing.p;
	x = d2i_X509(NULL, &p, (long)ca.issuing.len);
	assert_int_equal(SSL_CTX_add0_chain_cert(c, x), 1);
}

/* Connects it to us, who show that certificate; false: it ended the handshake. */
static inline bool conn_try(struct net *n, struct conn *c,
			    const struct buf *cert)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	uint64_t id = net_dial_id(n);
	int fd = tcp_pair(&c->fd);
	bool good;

	net_dialled(n, id, fd);
	close(fd);
	net_use_cert(ctx, cert);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, any_peer);
	c->ssl = SSL_new(ctx);
	SSL_CTX_free(ctx);
	assert_int_equal(SSL_set_fd(c->ssl, c->fd), 1);
	buf_init(&c->in, NET_REQUEST_MAX);
	good = SSL_accept(c->ssl) == 1;
	if (good) /* in TLS 1.3 its alert comes after our end */
		good = SSL_peek(c->ssl, &(char){ 0 }, 1) == 1;
	return good;
}

static inline void conn_end(struct conn *c)
{
	SSL_free(c->ssl);
	fd_close(&c->fd);
	buf_wipe(&c->in);
}

static inline void conn_open(struct net *n, struct conn *c)
{
	assert_true(conn_try(n, c, &ca.cert));
}

/* Whose certificate does it show? "": none. */
static inline const char *conn_peer(struct conn *c)
{
	static char name[128];
	X509 *x = SSL_get1_peer_certificate(c->ssl);

	name[0] = 0;
	if (x && X509_NAME_get_text_by_NID(X509_get_subject_name(x),
					   NID_organizationalUnitName, name,
					   sizeof name) < 0)
		name[0] = 0;
	X509_free(x);
	return name;
}

static inline size_t length_of(const char *digits)
{
	uint64_t v = 0;

	assert_int_equal(num_u64(digits, strspn(digits, "0123456789"),
				 NET_REQUEST_MAX, &v),
			 OK);
	return (size_t)v;
}

/* Reads one request, which is that one ("GET /v1/ca"); its body is in c->in. */
static inline const char *conn_get(struct conn *c, const char *request)
{
	const char *end = NULL, *length;
	size_t want = 0;
	uint8_t *at;
	int n;

	buf_clear(&c->in);
	while (!end || c->in.len < c->body + want) {
		assert_int_equal(buf_grow(&c->in, 4096, &at), OK);
		n = SSL_read(c->ssl, at, 4096);
		assert_true(n > 0);
		c->in.len -= 4096 - (size_t)n;
		end = memmem(c->in.p, c->in.len, "\r\n\r\n", 4);
		if (!end)
			continue;
		c->body = (size_t)((const uint8_t *)end + 4 - c->in.p);
		length = memmem(c->in.p, c->body, "Content-Length: ", 16);
		want = length ? length_of(length + 16) : 0;
	}
	assert_int_equal(buf_u8(&c->in, 0), OK);
	if (strncmp((const char *)c->in.p, request, strlen(request)) != 0)
		fail_msg("%s", (const char *)c->in.p);
	return (const char *)c->in.p + c->body;
}

static inline void conn_raw(struct conn *c, const void *p, size_t n)
{
	(void)SSL_write(c->ssl, p, (int)n);
}

static inline void conn_say(struct conn *c, const char *head, const char *body)
{
	char text[NET_TEXT_MAX];
	int n = snprintf(text, sizeof text,
			 "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", head,
			 strlen(body), body);

	assert_true(n > 0 && n < (int)sizeof text);
	conn_raw(c, text, (size_t)n);
}

/* PEM as a JSON text. */
static inline void json_pem(const struct buf *der, char *out, size_t room)
{
	AUTO(buf_wipe) struct buf pem = { 0 };
	size_t n = 0;

	buf_init(&pem, NET_TEXT_MAX);
	assert_int_equal(
		pem_put("CERTIFICATE", span_of(der->p, der->len), &pem), OK);
	for (size_t i = 0; i < pem.len; i++) {
		assert_true(n + 3 < room);
		if (pem.p[i] == '\n')
			out[n++] = '\\';
		out[n++] = (char)(pem.p[i] == '\n' ? 'n' : pem.p[i]);
	}
	out[n] = 0;
}

static inline void say_ca(struct conn *c)
{
	static char root[8192], issuing[8192], text[20000];

	json_pem(&ca.root, root, sizeof root);
	json_pem(&ca.issuing, issuing, sizeof issuing);
	(void)snprintf(
		text, sizeof text,
		"{\"root\":\"%s\",\"issuing\":\"%s\",\"domains\":[\"%s\"],"
		"\"request_id\":\"r1\"}",
		root, issuing, WORLD_DOMAIN);
	conn_say(c, "200 OK", text);
}

static inline void say_cert(struct conn *c, const struct buf *cert)
{
	static char leaf[8192], issuing[8192], text[20000];

	json_pem(cert, leaf, sizeof leaf);
	json_pem(&ca.issuing, issuing, sizeof issuing);
	(void)snprintf(text, sizeof text,
		       "{\"certificate\":\"%s\",\"chain\":\"%s\","
		       "\"serial\":\"x\",\"verify_by\":"
		       "\"2030-01-01T00:00:00Z\",\"later\":[1,2]}",
		       leaf, issuing);
	conn_say(c, "200 OK", text);
}

/* The request in a JSON body: DER. */
static inline void csr_of(const char *json, struct buf *der)
{
	const char *at = strstr(json, "\"csr\":\""), *end;

	assert_non_null(at);
	at += 7;
	end = strchr(at, '"');
	buf_init(der, CSR_MAX);
	assert_int_equal(enc_base64_parse(at, (size_t)(end - at), der), OK);
}

/* A node's certificate for the key of that request. */
static inline void node_cert(const struct buf *csr, const char *name,
			     int64_t from, int64_t to, struct buf *out)
{
	struct csr parsed;
	struct fault f = { 0 };
	struct cert c = world_plain(&ca.w, &ca.w.leaf);
	struct pubkey key;
	uint8_t id[20];

	fault_ok(csr_parse(span_of(csr->p, csr->len), &parsed, &f), &f);
	assert_int_equal(pubkey_parse(parsed.key.spki, &key, &f), OK);
	pubkey_id(&key, id);
	c.spki = parsed.key.spki;
	c.subject_key = span_of(id, sizeof id);
	c.subject.o = span_str("node");
	c.subject.ou = span_str(name);
	c.not_before = world_now + from;
	c.not_after = world_now + to;
	world_name(&c.dns, WORLD_AGENT "." WORLD_NODE);
	world_sign(&c, &ca.w.issuing, out);
}

/* By the token, over this request for this node, and over this CA's key. */
static inline void assert_signed(const char *body, const struct buf *csr)
{
	AUTO(buf_wipe) struct buf sig = { 0 };
	uint8_t public[TOKEN_PUBLIC], hash[TOKEN_HASH];
	const char *at = strstr(body, "\"signature\":\"");
	char hex[2 * TOKEN_ID + 1];
	struct pubkey key;
	struct csr parsed;
	struct fault f = { 0 };

	enc_hex(ca.token.id, TOKEN_ID, hex);
	assert_non_null(strstr(body, hex));
	assert_non_null(at);
	buf_init(&sig, 256);
	at += 13;
	assert_int_equal(
		enc_base64_parse(at, (size_t)(strchr(at, '"') - at), &sig), OK);
	assert_int_equal(sig.len, TOKEN_SIG);
	token_public(&ca.token, public);
	assert_int_equal(pubkey_parse(signkey_spki(ca.w.issuing.key), &key, &f),
			 OK);
	pubkey_hash(&key, hash);
	assert_int_equal(token_verify(ca.token.id, public, hash, csr->p,
				      csr->len, sig.p),
			 OK);
	fault_ok(csr_parse(span_of(csr->p, csr->len), &parsed, &f), &f);
	assert_int_equal(parsed.key.type, KEY_P256);
	assert_int_equal(parsed.dns.count, 1);
	assert_true(span_is(parsed.dns.at[0], WORLD_NODE));
}

/* ---- what most tests begin with */

/* The enrolment up to the request; its CSR. */
static inline void enrol_asked(struct net *n, struct conn *c, struct buf *csr)
{
	const char *body;

	conn_open(n, c);
	assert_string_equal(conn_peer(c), "");
	(void)conn_get(c, "GET /v1/ca HTTP/1.1\r\n");
	say_ca(c);
	body = conn_get(c, "POST /v1/enrol HTTP/1.1\r\n");
	assert_null(strstr(body, ca.token_text));
	csr_of(body, csr);
}

static inline void enrol_life(struct net *n, int64_t from, int64_t to)
{
	AUTO(buf_wipe) struct buf csr = { 0 };
	AUTO(buf_wipe) struct buf cert = { 0 };
	struct conn c;

	enrol_asked(n, &c, &csr);
	node_cert(&csr, WORLD_NODE, from, to, &cert);
	say_cert(&c, &cert);
	conn_end(&c);
}

/* From nothing to a node that is ready. */
static inline void net_ready(struct net *n)
{
	net_clean("state");
	net_new_token();
	net_start(n);
	(void)net_state(n, "none", "being enrolled");
	enrol_life(n, -60, WORLD_DAY);
	(void)net_state(n, "ready", NULL);
}

#endif
