/* Benchmark: the least that libmicrohttpd can do: one thread, epoll, the gate's own
 * options, a handler that gives out one response made before. Prints its port.
 *	ca_bare FILE	the response's body */
#include "lib/mhd.h"
#include "tests/bench/lib/stage.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	BODY_MAX = 64 << 10,
	CONNS = 16064,
	CONN_MEMORY = 8 << 10,
	IDLE_S = 30,
	BACKLOG = 4096,
};

static struct MHD_Response *response;

static enum MHD_Result answer(void *cls, struct MHD_Connection *c,
			      const char *url, const char *method,
			      const char *version, const char *data,
			      size_t *size, void **context)
{
	static int begun;

	(void)cls;
	(void)url;
	(void)method;
	(void)version;
	(void)data;
	if (!*context) {
		*context = &begun;
		return MHD_YES;
	}
	if (*size) {
		*size = 0;
		return MHD_YES;
	}
	*context = NULL;
	return MHD_queue_response(c, MHD_HTTP_OK, response);
}

/* With the headers that the gate gives. */
static void response_make(const char *path)
{
	static uint8_t body[BODY_MAX];
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(body, 1, sizeof body, f) : 0;

	if (!n)
		bench_die("'%s' cannot be read", path);
	(void)fclose(f);
	response = mhd_response(body, n, "application/ocsp-response");
	mhd_header(response, "Last-Modified", "Sat, 21 Nov 2026 15:00:00 GMT");
	mhd_header(response, "Expires", "Sat, 21 Nov 2026 15:10:00 GMT");
	mhd_header(response, "ETag",
		   "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b"
		   "7852b855\"");
	mhd_header(response, "Cache-Control",
		   "max-age=300, public, no-transform, must-revalidate");
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct MHD_Daemon *d;

	if (argc != 2)
		bench_die("usage: ca_bare FILE");
	ENSURE(!prctl(PR_SET_PDEATHSIG, SIGKILL));
	response_make(argv[1]);
	ENSURE(!bind(fd, (const struct sockaddr *)&at, sizeof at));
	ENSURE(!listen(fd, BACKLOG));
	ENSURE(!getsockname(fd, (struct sockaddr *)&at, &len));
	d = MHD_start_daemon(
		MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0,
		NULL, NULL, answer, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNS,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONN_MEMORY,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S,
		MHD_OPTION_UNESCAPE_CALLBACK, mhd_raw_target, NULL,
		MHD_OPTION_END);
	ENSURE(d != NULL);
	printf("%u\n", ntohs(at.sin_port));
	fflush(stdout);
	for (;;)
		(void)pause();
}
