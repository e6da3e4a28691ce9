/* The system calls each role may make; used by every confined process, holds
 * nothing. A role's list is made of groups, so that one reads what it can do. */
#include "lib/confine_calls.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	SOCK_KIND = 0xf, /* the rest of a socket's type is flags */
};

#define CALL(name)                                                             \
	{                                                                      \
		.nr = SCMP_SYS(name)                                           \
	}
#define CALL1(name, a)                                                         \
	{                                                                      \
		.nr = SCMP_SYS(name), .args = 1, .arg = { a }                  \
	}
#define CALL2(name, a, b)                                                      \
	{                                                                      \
		.nr = SCMP_SYS(name), .args = 2, .arg = { a, b }               \
	}
#define NOTHING(name)                                                          \
	{                                                                      \
		.nr = SCMP_SYS(name), .nothing = true                          \
	}
#define IS(n, v)                                                               \
	{                                                                      \
		.arg = (n), .op = SCMP_CMP_EQ, .datum_a = (scmp_datum_t)(v)    \
	}
#define BITS(n, mask, v)                                                       \
	{                                                                      \
		.arg = (n), .op = SCMP_CMP_MASKED_EQ,                          \
		.datum_a = (scmp_datum_t)(mask), .datum_b = (scmp_datum_t)(v)  \
	}
#define END                                                                    \
	{                                                                      \
		.nr = -1                                                       \
	}

/* Memory that is never executable, time, randomness, and an end, which may be
 * abort(): a broken invariant has to be able to say so. */
static const struct rule self[] = {
	CALL(futex),
	CALL(exit),
	CALL(exit_group),
	CALL(rt_sigreturn),
	CALL(rt_sigprocmask),
	CALL(rt_sigaction),
	CALL(sigaltstack),
	CALL2(tgkill, IS(0, PID_MARK), IS(2, SIGABRT)),
	CALL(gettid),
	CALL(getpid),
	CALL(brk),
	CALL(munmap),
	CALL(mremap),
	CALL(madvise),
	CALL(mlock),
	CALL(munlock),
	CALL1(mprotect, BITS(2, PROT_EXEC, 0)),
	CALL2(mmap, BITS(2, PROT_EXEC, 0),
	      BITS(3, MAP_ANONYMOUS, MAP_ANONYMOUS)),
	CALL(getrandom),
	CALL(clock_gettime),
	CALL(restart_syscall),
	CALL(read),
	CALL(write),
	END,
};

/* Connected sockets it was handed, and waiting for them. */
static const struct rule sockets[] = {
	CALL(readv),
	CALL(writev),
	CALL(recvmsg),
	CALL(sendmsg),
	CALL(recvfrom),
	CALL(sendto),
	CALL(shutdown),
	CALL(close),
	CALL(getsockopt),
	CALL(poll),
	CALL(ppoll),
	CALL(epoll_create1),
	CALL(epoll_ctl),
	CALL(epoll_wait),
	CALL(epoll_pwait),
	CALL(epoll_pwait2),
	CALL(clock_nanosleep),
	CALL1(fcntl, IS(1, F_GETFD)),
	CALL1(fcntl, IS(1, F_SETFD)),
	CALL1(fcntl, IS(1, F_GETFL)),
	CALL1(fcntl, IS(1, F_SETFL)),
	CALL1(fcntl, IS(1, F_DUPFD_CLOEXEC)),
	END,
};

/* Descriptors of memory files it was handed. */
static const struct rule memfds[] = {
	CALL(fstat),
	CALL1(newfstatat, BITS(3, AT_EMPTY_PATH, AT_EMPTY_PATH)),
	CALL(lseek),
	CALL(pread64),
	CALL1(mmap, BITS(2, PROT_EXEC, 0)),
	CALL1(fcntl, IS(1, F_GET_SEALS)),
	END,
};

/* Files by name, but only to read them. */
static const struct rule reading[] = {
	CALL1(openat, BITS(2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY)),
	CALL(fstat),
	CALL(newfstatat),
	CALL(statx),
	CALL(readlinkat),
	CALL(readlink),
	CALL(lseek),
	CALL(pread64),
	END,
};

static const struct rule listening[] = {
	CALL(accept4),     CALL(setsockopt), CALL(getsockname),
	CALL(getpeername), CALL(pidfd_open), CALL(pidfd_send_signal),
	CALL(getdents64),  CALL(dup),        END,
};

/* Asks whether a descriptor is a pidfd: signal 0 is none. Closes what strangers sent
 * without waiting. */
static const struct rule fronting[] = {
	CALL1(pidfd_send_signal, IS(1, 0)),
	CALL2(setsockopt, IS(1, SOL_SOCKET), IS(2, SO_LINGER)),
	END,
};

/* A vault makes the channels of its workers. */
static const struct rule pairs[] = {
	CALL1(socketpair, IS(0, AF_UNIX)),
	CALL(dup),
	END,
};

/* Accepts on listeners it was handed, without threads: libmicrohttpd, GnuTLS. */
static const struct rule serving[] = {
	CALL(accept4),     CALL(setsockopt),
	CALL(getsockname), CALL(getpeername),
	CALL(eventfd2),    CALL(sendfile),
	CALL(getrusage),   CALL(sysinfo),
	CALL(dup),         END,
};

/* Connects UNIX sockets by names below a folder it was handed (the root is empty, nothing
 * can be opened, and nothing is above the folder: lib/subtree.h), and names itself there.
 * Landlock keeps accepted sockets from being connected elsewhere. */
static const struct rule claiming[] = {
	CALL2(socket, IS(0, AF_UNIX), BITS(1, SOCK_KIND, SOCK_STREAM)),
	CALL1(socketpair, IS(0, AF_UNIX)),
	CALL(connect),
	CALL(fchdir),
	CALL1(pidfd_open, IS(0, PID_MARK)),
	END,
};

/* Holds pidfds, and asks whether a thread is a process's. */
static const struct rule watching[] = {
	CALL(pidfd_open),
	CALL(faccessat),
	CALL(faccessat2),
	END,
};

/* Accepts the helper of the kernel; asks what a pidfd is. */
static const struct rule keeping[] = {
	CALL(accept4),
	CALL1(ioctl,
	      BITS(1, 0xff00, 0xff00)), /* PIDFS_IOCTL_MAGIC: pidfds only */
	CALL(dup),
	END,
};

/* Makes memory files and hands them on; a CRL of a million entries is one. */
static const struct rule making[] = {
	CALL(memfd_create),
	CALL(ftruncate),
	CALL(pwrite64),
	CALL1(fcntl, IS(1, F_ADD_SEALS)),
	END,
};

/* Resolves names (c-ares) and connects; asks for this machine's addresses. UDP and
 * TCP only, beside the kernel's list of addresses. */
static const struct rule dialing[] = {
	CALL2(socket, IS(0, AF_INET), BITS(1, SOCK_KIND, SOCK_STREAM)),
	CALL2(socket, IS(0, AF_INET), BITS(1, SOCK_KIND, SOCK_DGRAM)),
	CALL2(socket, IS(0, AF_INET6), BITS(1, SOCK_KIND, SOCK_STREAM)),
	CALL2(socket, IS(0, AF_INET6), BITS(1, SOCK_KIND, SOCK_DGRAM)),
	CALL2(socket, IS(0, AF_NETLINK), IS(2, NETLINK_ROUTE)),
	CALL(connect),
	CALL(bind),
	CALL(setsockopt),
	CALL(getsockname),
	END,
};

/* HTTP over connections it was handed (libcurl), which before 8.0 calls connect for a
 * connection that is there already, as it was told: nobody is connected to by that. */
static const struct rule fetching[] = {
	CALL2(setsockopt, IS(1, IPPROTO_TCP), IS(2, TCP_NODELAY)),
	CALL1(newfstatat, BITS(3, AT_EMPTY_PATH, AT_EMPTY_PATH)),
	NOTHING(connect),
	CALL(accept4), /* the CA's prober */
	CALL(getsockname),
	CALL(getpeername),
	CALL(fstat),
	CALL(pread64),
	CALL(geteuid),
	END,
};

/* A few small files below a folder, which Landlock holds it to. */
static const struct rule keeping_files[] = {
	CALL(openat),   CALL(fchmod),   CALL(fsync),
	CALL(renameat), CALL(unlinkat), END,
};

/* What SQLite and a log need below a folder; Landlock says which folder. */
static const struct rule storing[] = {
	CALL(openat),
	CALL(open),
	CALL(fstat),
	CALL(stat),
	CALL(lstat),
	CALL(newfstatat),
	CALL(statx),
	CALL(statfs),
	CALL(fstatfs),
	CALL(readlink),
	CALL(readlinkat),
	CALL(access),
	CALL(faccessat),
	CALL(faccessat2),
	CALL(getcwd),
	CALL(getdents64),
	CALL(lseek),
	CALL(pread64),
	CALL(preadv),
	CALL(pwrite64),
	CALL(pwritev),
	CALL(fsync),
	CALL(fdatasync),
	CALL(msync),
	CALL(ftruncate),
	CALL(fallocate),
	CALL(unlink),
	CALL(unlinkat),
	CALL(rename),
	CALL(renameat),
	CALL(renameat2),
	CALL(mkdir),
	CALL(mkdirat),
	CALL(rmdir),
	CALL(linkat),
	CALL(fchmod),
	CALL(fchown),
	CALL(umask),
	CALL(utimensat),
	CALL(flock),
	CALL(fcntl),
	CALL(dup),
	CALL(getuid),
	CALL(geteuid),
	CALL(getgid),
	CALL(getegid),
	CALL(uname),
	CALL(nanosleep),
	CALL1(mmap, BITS(2, PROT_EXEC, 0)),
	END,
};

/* The loader: code from a file, and never memory both writable and executable;
 * mprotect gives nothing the right to execute. */
static const struct rule loading[] = {
	CALL(close),
	CALL1(mmap, BITS(2, PROT_EXEC, 0)),
	CALL2(mmap, BITS(2, PROT_EXEC | PROT_WRITE, PROT_EXEC),
	      BITS(3, MAP_ANONYMOUS, 0)),
	CALL2(seccomp, IS(0, SECCOMP_SET_MODE_FILTER), IS(1, 0)),
	END,
};

enum {
	WORKER_CLONE = CLONE_PIDFD | SIGCHLD,
	WORKER_CLONE_NS = WORKER_CLONE | CLONE_NEWPID | CLONE_NEWNET |
			  CLONE_NEWIPC | CLONE_NEWNS | CLONE_NEWUTS |
			  CLONE_NEWCGROUP,
};

/* What takes a worker from the zygote's process into its sandbox. */
static const struct rule cages[] = {
	CALL1(clone, IS(0, WORKER_CLONE)),
	CALL1(clone, IS(0, WORKER_CLONE_NS)),
	/* the worker inherits this filter, and aborts itself */
	CALL1(tgkill, IS(2, SIGABRT)),
	CALL(pidfd_send_signal),
	CALL(waitid),
	CALL(wait4),
	CALL(mount),
	CALL(umount2),
	CALL(pivot_root),
	CALL(chdir),
	CALL(openat),
	CALL(fchmod),
	CALL(sendfile),
	CALL(setgroups),
	CALL(setresuid),
	CALL(setresgid),
	CALL(capget),
	CALL(capset),
	CALL(prctl),
	CALL(seccomp),
	CALL(landlock_create_ruleset),
	CALL(landlock_add_rule),
	CALL(landlock_restrict_self),
	CALL(prlimit64),
	CALL(setrlimit),
	CALL(getrlimit),
	CALL(dup2),
	CALL(dup3),
	CALL(close_range),
	END,
};

/* The supervisor starts all others, which inherit its filter: it allows what is
 * not listed here. Nobody in the system has a use for these. */
static const struct rule never[] = {
	CALL(ptrace),
	CALL(process_vm_readv),
	CALL(process_vm_writev),
	CALL(process_madvise),
	CALL(pidfd_getfd),
	CALL(kcmp),
	CALL(bpf),
	CALL(perf_event_open),
	CALL(io_uring_setup),
	CALL(io_uring_enter),
	CALL(io_uring_register),
	CALL(userfaultfd),
	CALL(keyctl),
	CALL(add_key),
	CALL(request_key),
	CALL(init_module),
	CALL(finit_module),
	CALL(delete_module),
	CALL(kexec_load),
	CALL(kexec_file_load),
	CALL(reboot),
	CALL(swapon),
	CALL(swapoff),
	CALL(acct),
	CALL(quotactl),
	CALL(syslog),
	CALL(settimeofday),
	CALL(clock_settime),
	CALL(clock_adjtime),
	CALL(adjtimex),
	CALL(open_by_handle_at),
	CALL(personality),
	CALL(ioperm),
	CALL(iopl),
	CALL(vhangup),
	END,
};

static const struct confine_calls filters[] = {
	[CONFINE_SUPERVISOR] = { "supervisor", true, { never } },
	[CONFINE_DOOR] = { "door",
			   false,
			   { self, sockets, reading, listening } },
	[CONFINE_FRONT] = { "front", false, { self, sockets, fronting } },
	[CONFINE_VAULT] = { "vault", false, { self, sockets, memfds, pairs } },
	[CONFINE_STORE] = { "store", false, { self, sockets, storing } },
	[CONFINE_OPENER] = { "opener", false, { self, sockets } },
	[CONFINE_ZYGOTE] = { "zygote",
			     false,
			     { self, sockets, memfds, reading, loading,
			       cages } },
	[CONFINE_GATE] = { "gate", false, { self, sockets, memfds, serving } },
	[CONFINE_GATE_REMOTE] = { "gate-remote",
				  false,
				  { self, sockets, memfds, serving,
				    claiming } },
	[CONFINE_ISSUER] = { "issuer",
			     false,
			     { self, sockets, memfds, pairs, making } },
	[CONFINE_CA_STORE] = { "ca-store", false, { self, sockets, storing } },
	[CONFINE_CA_SIGNER] = { "ca-signer",
				false,
				{ self, sockets, memfds, storing } },
	[CONFINE_PROBER] = { "prober", false, { self, sockets } },
	[CONFINE_DIALER] = { "dialer",
			     false,
			     { self, sockets, reading, dialing } },
	[CONFINE_KEEPER] = { "keeper",
			     false,
			     { self, sockets, memfds, keeping } },
	[CONFINE_VERIFIER] = { "verifier", false, { self, sockets, fetching } },
	[CONFINE_NET] = { "net",
			  false,
			  { self, sockets, fetching, keeping_files } },
	[CONFINE_VIEW] = { "view",
			   false,
			   { self, sockets, reading, watching } },
	[CONFINE_WORKER_LOAD] = { "worker", false, { self, reading, loading } },
	[CONFINE_WORKER] = { "worker", false, { self } },
};

_Static_assert(NELEM(filters) == CONFINE__MAX, "every role has a filter");

const struct confine_calls *confine_calls_of(enum confine_role role)
{
	ENSURE((unsigned)role < CONFINE__MAX);
	return &filters[role];
}
