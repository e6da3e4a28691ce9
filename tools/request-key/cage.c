/* cretula-request-key: confinement by hand. The filters are written out as programs,
 * since libseccomp would take longer to make them than the helper takes for all of
 * its work. Landlock is not used: whoever is under it may not look at /proc/PID/exe of
 * a process that is not. */
#include "tools/request-key/cage.h"

#include <fcntl.h>
#include <link.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCH AUDIT_ARCH_RISCV64
#else
#error "which AUDIT_ARCH_ has this machine?"
#endif

enum {
	FILES = 16,
	ADDRESS_SPACE = 64 << 20,
};

/* What the start of a static program has put right is never written again, but musl's
 * leaves it writable. */
static int seal_relocated(struct dl_phdr_info *of, size_t size, void *arg)
{
	uintptr_t page = (uintptr_t)getpagesize();

	(void)size;
	(void)arg;
	for (unsigned i = 0; i < of->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &of->dlpi_phdr[i];
		uintptr_t from = (of->dlpi_addr + h->p_vaddr) & -page;
		uintptr_t to =
			(of->dlpi_addr + h->p_vaddr + h->p_memsz) & -page;

		if (h->p_type == PT_GNU_RELRO &&
		    mprotect((void *)from, to - from, PROT_READ))
			return -1;
	}
	return 0;
}

bool cage_first(void)
{
	static const struct {
		int what;
		rlim_t most;
	} limits[] = {
		{ RLIMIT_CORE, 0 },           { RLIMIT_FSIZE, 0 },
		{ RLIMIT_NPROC, 0 },          { RLIMIT_NOFILE, FILES },
		{ RLIMIT_AS, ADDRESS_SPACE },
	};

	if (dl_iterate_phdr(seal_relocated, NULL) ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return false;
	for (size_t i = 0; i < NELEM(limits); i++) {
		struct rlimit r = { limits[i].most, limits[i].most };

		if (setrlimit(limits[i].what, &r))
			return false;
	}
	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static bool keep_capabilities(uint32_t low)
{
	struct __user_cap_header_struct h = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct d[2] = {
		{ .effective = low, .permitted = low },
	};

	return !syscall(SYS_capset, &h, d);
}

/* The filters. Of the calls that open there is openat only, which every machine has. */

#define FIELD(name) ((uint32_t)offsetof(struct seccomp_data, name))
#define LOAD(name)  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIELD(name))
#define GIVE(what)  BPF_STMT(BPF_RET | BPF_K, (what))
/* Steps over `yes` or `no` more, as the value is that or not. */
#define IF(value, yes, no)                                                     \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), (yes), (no))
#define DIE          GIVE(SECCOMP_RET_KILL_PROCESS)
#define ALLOW(value) IF(value, 0, 1), GIVE(SECCOMP_RET_ALLOW)
/* What is about this call only: the next n. */
#define CALL(nr, n) IF(nr, 0, n)
/* The low half of an argument; the high half of an int is not looked at by the
 * kernel either. */
#define LOAD_ARG(i)                                                            \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS,                                     \
		 FIELD(args) + 8 * (i) +                                       \
			 (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0))
/* Read first, and not used: of a filter that only looks at numbers the kernel finds out
 * beforehand what it says of each, and that takes longer than all our calls. */
#define NO_TABLE LOAD(instruction_pointer)
/* Another machine's calls (32 bits) have other numbers. */
#define SAME_MACHINE NO_TABLE, LOAD(arch), IF(ARCH, 1, 0), DIE, LOAD(nr)

/* Both times: the key, memory, the answer, the end. */
#define ALWAYS                                                                 \
	ALLOW(SYS_read), ALLOW(SYS_recvfrom), ALLOW(SYS_sendto),               \
		ALLOW(SYS_close), ALLOW(SYS_mmap), ALLOW(SYS_munmap),          \
		ALLOW(SYS_mprotect), ALLOW(SYS_mlock), ALLOW(SYS_madvise),     \
		ALLOW(SYS_brk), ALLOW(SYS_rt_sigreturn),                       \
		ALLOW(SYS_restart_syscall), ALLOW(SYS_exit_group)

/* clang-format off */
static const struct sock_filter reading[] = {
	SAME_MACHINE,
	ALWAYS,
	ALLOW(SYS_newfstatat),
	ALLOW(SYS_statx),
	ALLOW(SYS_fstat),
	ALLOW(SYS_connect),
	ALLOW(SYS_setsockopt),
	ALLOW(SYS_capset),
	ALLOW(SYS_seccomp),
	CALL(SYS_openat, 5),
	LOAD_ARG(2),
	BPF_STMT(BPF_ALU | BPF_AND | BPF_K, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC),
	ALLOW(O_RDONLY),
	DIE,
	CALL(SYS_socket, 4),
	LOAD_ARG(0),
	ALLOW(AF_UNIX),
	DIE,
	CALL(SYS_keyctl, 14),
	LOAD_ARG(0),
	ALLOW(KEYCTL_GET_KEYRING_ID),
	ALLOW(KEYCTL_DESCRIBE),
	ALLOW(KEYCTL_READ),
	ALLOW(KEYCTL_REJECT),
	ALLOW(KEYCTL_SET_TIMEOUT),
	ALLOW(KEYCTL_INSTANTIATE),
	DIE,
	DIE,
};

static const struct sock_filter asking[] = {
	SAME_MACHINE,
	ALWAYS,
	CALL(SYS_keyctl, 8),
	LOAD_ARG(0),
	ALLOW(KEYCTL_REJECT),
	ALLOW(KEYCTL_SET_TIMEOUT),
	ALLOW(KEYCTL_INSTANTIATE),
	DIE,
	DIE,
};
/* clang-format on */

static bool filter(const struct sock_filter *program, size_t n)
{
	struct sock_fprog p = {
		.len = (unsigned short)n,
		/* the kernel does not write to it, its interface says so not */
		.filter = (struct sock_filter *)(uintptr_t)program,
	};

	return !syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p);
}

bool cage_reading(void)
{
	return keep_capabilities(1u << CAP_SYS_PTRACE) &&
	       filter(reading, NELEM(reading));
}

bool cage_asking(void)
{
	return keep_capabilities(0) && filter(asking, NELEM(asking));
}
