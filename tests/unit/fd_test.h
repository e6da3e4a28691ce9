/* What tests send to a process that waits for descriptors. */
#ifndef TESTS_FD_TEST_H
#define TESTS_FD_TEST_H

#include "lib/msg.h"

#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/* A message with a descriptor, which stays ours. */
static inline void fd_send(int to, uint32_t kind, uint64_t id,
			   struct attr_view a, int fd)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof fd)];
	} ctl = { 0 };
	AUTO(buf_wipe) struct buf b = { 0 };
	struct iovec iov;
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &ctl,
			    .msg_controllen = sizeof ctl };

	buf_init(&b, MSG_MAX + MSG_HEAD);
	assert_int_equal(msg_put(&b, kind, id, a), OK);
	iov = (struct iovec){ .iov_base = b.p, .iov_len = b.len };
	ctl.align.cmsg_level = SOL_SOCKET;
	ctl.align.cmsg_type = SCM_RIGHTS;
	ctl.align.cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(&ctl.align), &fd, sizeof fd);
	assert_int_equal(sendmsg(to, &m, 0), (ssize_t)b.len);
}

/* Both ends of a TCP connection. */
static inline int tcp_pair(int *other)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof a;
	int at = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(at, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(at, 1), 0);
	assert_int_equal(getsockname(at, (struct sockaddr *)&a, &len), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	*other = accept(at, NULL, NULL);
	close(at);
	assert_true(*other >= 0);
	return fd;
}

#endif
