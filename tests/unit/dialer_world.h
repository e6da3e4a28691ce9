/* A network of its own for the tests of the dialer: addresses, files of /etc, a name
 * server that answers as it is told. All of it ends with the test. */
#ifndef TESTS_DIALER_WORLD_H
#define TESTS_DIALER_WORLD_H

#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORLD_OWN     "10.77.0.1" /* an address of this machine */
#define WORLD_HOST    "198.51.100.1"
#define WORLD_REFUSES "198.51.100.8" /* nobody listens there */
#define WORLD_SILENT  "198.51.100.9" /* no SYN is answered */
#define WORLD_HOST6   "2001:db8:1::1"
#define WORLD_MINE    "192.0.2.5" /* this machine's by a route alone */

enum {
	WORLD_PACKET = 65536,
	WORLD_NAME = 256,
	WORLD_PORT = 7443,
	DNS_HEAD = 12,
	DNS_A = 1,
	DNS_AAAA = 28,
	DNS_NXDOMAIN = 3,
	DNS_MANY = 200, /* addresses of many.test */
};

/* What the server says about a name; several lines: several addresses. */
static const struct {
	const char *name, *address;
} world_names[] = {
	{ "host.test", WORLD_HOST },
	{ "six.test", WORLD_HOST6 },
	{ "own.test", WORLD_OWN },
	{ "mine.test", WORLD_MINE },
	{ "loop.test", "127.0.0.1" },
	{ "loop6.test", "::1" },
	{ "mapped.test", "::ffff:127.0.0.1" },
	{ "meta.test", "169.254.169.254" },
	{ "nat64.test", "64:ff9b::a9fe:a9fe" },
	{ "mixed.test", "127.0.0.1" },
	{ "mixed.test", "169.254.169.254" },
	{ "mixed.test", WORLD_OWN },
	{ "mixed.test", WORLD_HOST },
	{ "turns.test", WORLD_SILENT },
	{ "turns.test", WORLD_REFUSES },
	{ "turns.test", WORLD_HOST },
	{ "refuses.test", WORLD_REFUSES },
	{ "dead.test", WORLD_SILENT },
	/* what a search list would make of others */
	{ "lost.test.search.test", WORLD_HOST },
	{ "lost.search.test", WORLD_HOST },
};

struct packet {
	uint8_t p[WORLD_PACKET];
	size_t n;
};

static inline void packet_put(struct packet *k, const void *p, size_t n)
{
	if (k->n + n > sizeof k->p)
		_exit(71);
	memcpy(k->p + k->n, p, n);
	k->n += n;
}

/* One record of the name that was asked for. */
static inline void packet_address(struct packet *k, uint16_t type,
				  const void *address)
{
	const uint8_t head[] = { 0xc0, DNS_HEAD, 0, (uint8_t)type,
				 0,    1,        0, 0,
				 0,    60,       0, type == DNS_A ? 4 : 16 };

	packet_put(k, head, sizeof head);
	packet_put(k, address, type == DNS_A ? 4 : 16);
	k->p[7]++;
	if (!k->p[7])
		k->p[6]++;
}

/* The question's name as text; its end in the packet. */
static inline size_t packet_name(const uint8_t *p, size_t n,
				 char text[WORLD_NAME])
{
	size_t at = DNS_HEAD, to = 0;

	while (at < n && p[at] && p[at] < 64 && to + p[at] + 1u < WORLD_NAME &&
	       at + p[at] < n) {
		if (to)
			text[to++] = '.';
		memcpy(text + to, p + at + 1, p[at]);
		to += p[at];
		at += p[at] + 1u;
	}
	text[to] = 0;
	return at + 1;
}

static inline void world_answer_many(struct packet *k, bool tcp)
{
	struct in_addr a;

	if (!tcp) {
		k->p[2] |= 2; /* cut short: ask by TCP */
		return;
	}
	for (int i = 0; i < DNS_MANY; i++) {
		a.s_addr = htonl(0x7f000001u + (unsigned)i);
		packet_address(k, DNS_A, &a);
	}
}

/* False: it stays silent. */
static inline bool world_answer(const uint8_t *q, size_t n, bool tcp,
				struct packet *k)
{
	char name[WORLD_NAME];
	size_t end = n > DNS_HEAD ? packet_name(q, n, name) : n;
	uint8_t b[16];
	uint16_t type;
	bool known = false;

	if (end + 4 > n || !strcmp(name, "silent.test"))
		return false;
	type = q[end + 1];
	k->n = 0;
	if (!strcmp(name, "garbage.test")) {
		packet_put(k, q, 2);
		packet_put(k, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 10);
		packet_put(k, "\xc0\x0c\xc0\x0c\xc0\x0c\xc0\x0c", 8);
		return true;
	}
	packet_put(k, q, end + 4);
	memcpy(k->p + 2, "\x81\x80\0\1\0\0\0\0\0\0", 10);
	if (!strcmp(name, "many.test")) {
		if (type == DNS_A)
			world_answer_many(k, tcp);
		return true;
	}
	for (size_t i = 0; i < NELEM(world_names); i++) {
		bool v6 = strchr(world_names[i].address, ':');

		if (strcasecmp(name, world_names[i].name) != 0)
			continue;
		known = true;
		if (type == (v6 ? DNS_AAAA : DNS_A) &&
		    inet_pton(v6 ? AF_INET6 : AF_INET, world_names[i].address,
			      b) == 1)
			packet_address(k, type, b);
	}
	if (!known)
		k->p[3] |= DNS_NXDOMAIN;
	return true;
}

static inline int world_bind(int type, const char *address, uint16_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
				    .sin6_port = htons(port) };
	bool v6 = strchr(address, ':');
	int fd = socket(v6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0);
	int on = 1;

	ENSURE(fd >= 0 &&
	       !setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof on));
	if (v6) {
		ENSURE(inet_pton(AF_INET6, address, &in6.sin6_addr) == 1);
		ENSURE(!bind(fd, (struct sockaddr *)&in6, sizeof in6));
	} else {
		ENSURE(inet_pton(AF_INET, address, &in.sin_addr) == 1);
		ENSURE(!bind(fd, (struct sockaddr *)&in, sizeof in));
	}
	return fd;
}

static inline int world_listen(const char *address, int backlog)
{
	int fd = world_bind(SOCK_STREAM, address, WORLD_PORT);

	ENSURE(!listen(fd, backlog));
	return fd;
}

static inline void world_dns_udp(int fd)
{
	static struct packet k;
	struct sockaddr_in from;
	socklen_t len = sizeof from;
	uint8_t q[512];
	ssize_t n =
		recvfrom(fd, q, sizeof q, 0, (struct sockaddr *)&from, &len);

	if (n > 0 && world_answer(q, (size_t)n, false, &k))
		(void)!sendto(fd, k.p, k.n, 0, (struct sockaddr *)&from, len);
}

static inline void world_dns_tcp(int listener)
{
	static struct packet k;
	AUTO(fd_close) int fd = accept(listener, NULL, NULL);
	uint8_t q[512], size[2];
	ssize_t n;

	if (recv(fd, size, 2, MSG_WAITALL) != 2 || size[0] > 1)
		return;
	n = recv(fd, q, (size_t)(size[0] << 8 | size[1]), MSG_WAITALL);
	if (n <= 0 || !world_answer(q, (size_t)n, true, &k))
		return;
	size[0] = (uint8_t)(k.n >> 8);
	size[1] = (uint8_t)k.n;
	(void)!write(fd, size, 2);
	(void)!write(fd, k.p, k.n);
	(void)!read(fd, q, 1); /* until it hangs up */
}

_Noreturn static inline void world_dns(int udp, int tcp)
{
	struct pollfd w[] = { { .fd = udp, .events = POLLIN },
			      { .fd = tcp, .events = POLLIN } };

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		ENSURE(poll(w, NELEM(w), -1) > 0);
		if (w[0].revents)
			world_dns_udp(udp);
		if (w[1].revents)
			world_dns_tcp(tcp);
	}
}

static inline void world_file(const char *path, const char *text)
{
	char with[] = "/tmp/test_dialer.XXXXXX";
	int fd = mkstemp(with);

	ENSURE(fd >= 0 && !fchmod(fd, 0644));
	ENSURE(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
	/* a file that is not there needs no cover */
	ENSURE(!mount(with, path, NULL, MS_BIND, NULL) || errno == ENOENT);
	ENSURE(!unlink(with));
}

/* A listener whose queue is full: nobody who comes gets an answer. */
static inline void world_silence(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(WORLD_PORT) };
	int fd[8];

	(void)world_listen(WORLD_SILENT, 0);
	ENSURE(inet_pton(AF_INET, WORLD_SILENT, &to.sin_addr) == 1);
	for (size_t i = 0; i < NELEM(fd); i++) {
		fd[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		ENSURE(fd[i] >= 0);
		(void)!connect(fd[i], (struct sockaddr *)&to, sizeof to);
	}
}

/* The name server's process. As root only. */
static inline pid_t world_begin(void)
{
	int udp, tcp;
	pid_t pid;

	ENSURE(!unshare(CLONE_NEWNET | CLONE_NEWNS));
	ENSURE(!mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	ENSURE(!system("ip link set lo up && "
		       "ip address add " WORLD_OWN "/24 dev lo && "
		       "ip route add local 198.51.100.0/24 dev lo src " //
		       WORLD_OWN " && "
		       "ip route add local 192.0.2.0/24 dev lo && "
		       "ip -6 address add 2001:db8:2::1/64 dev lo nodad && "
		       "ip -6 route add local 2001:db8:1::/64 dev lo src "
		       "2001:db8:2::1"));
	world_file("/etc/resolv.conf", "nameserver 127.0.0.1\n"
				       "search search.test\n");
	world_file("/etc/hosts", "127.0.0.1 localhost\n" //
		   WORLD_HOST " hosted.test alias\n");
	world_file("/etc/nsswitch.conf", "hosts: files dns\n");
	udp = world_bind(SOCK_DGRAM, "127.0.0.1", 53);
	tcp = world_bind(SOCK_STREAM, "127.0.0.1", 53);
	ENSURE(!listen(tcp, 16));
	world_silence();
	fflush(NULL);
	pid = fork();
	if (!pid)
		world_dns(udp, tcp);
	close(udp);
	close(tcp);
	return pid;
}

#endif
