/* Every confined process but door and zygote; holds nothing. Debian's header stops
 * at an old ABI, so that the kernel's structures are declared here as they are. */
#include "lib/landlock.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Bits of the kernel's access masks; the number is the ABI that brought them. */
enum {
	FS_EXECUTE = 1 << 0,
	FS_WRITE_FILE = 1 << 1,
	FS_READ_FILE = 1 << 2,
	FS_READ_DIR = 1 << 3,
	FS_REMOVE_DIR = 1 << 4,
	FS_REMOVE_FILE = 1 << 5,
	FS_MAKE_DIR = 1 << 7,
	FS_MAKE_REG = 1 << 8,
	FS_ABI_1 = (1 << 13) - 1,
	FS_REFER = 1 << 13,     /* 2 */
	FS_TRUNCATE = 1 << 14,  /* 3 */
	FS_IOCTL_DEV = 1 << 15, /* 5 */
	FS_OF_FILES = FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE,
	NET_CONNECT = 2,
	NET_TCP = 3, /* 4: bind, connect */
	SCOPED = 3,  /* 6: abstract sockets, signals */
	CREATE_VERSION = 1,
	RULE_PATH = 1,
};

struct ruleset {
	uint64_t fs;
	uint64_t net;
	uint64_t scoped;
};

struct path_rule {
	uint64_t access;
	int32_t fd;
} __attribute__((packed));

int landlock_abi(void)
{
	long abi =
		syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);

	return abi > 0 ? (int)abi : 0;
}

static struct ruleset ruleset_for(int abi)
{
	struct ruleset r = { .fs = FS_ABI_1 };

	if (abi >= 2)
		r.fs |= FS_REFER;
	if (abi >= 3)
		r.fs |= FS_TRUNCATE;
	if (abi >= 4)
		r.net = NET_TCP;
	if (abi >= 5)
		r.fs |= FS_IOCTL_DEV;
	if (abi >= 6)
		r.scoped = SCOPED;
	return r;
}

/* Older kernels take a shorter structure and refuse bytes they do not know. */
static size_t ruleset_size(int abi)
{
	if (abi >= 6)
		return sizeof(struct ruleset);
	return abi >= 4 ? offsetof(struct ruleset, scoped)
			: offsetof(struct ruleset, net);
}

static uint64_t access_of(unsigned rights)
{
	uint64_t a = 0;

	if (rights & LANDLOCK_READ)
		a |= FS_READ_FILE | FS_READ_DIR;
	if (rights & LANDLOCK_EXEC)
		a |= FS_EXECUTE;
	if (rights & LANDLOCK_WRITE)
		a |= FS_WRITE_FILE | FS_TRUNCATE | FS_MAKE_REG | FS_MAKE_DIR |
		     FS_REMOVE_FILE | FS_REMOVE_DIR | FS_REFER;
	return a;
}

static enum err rule_add(int set, const struct landlock_path *p,
			 uint64_t handled, struct fault *f)
{
	struct path_rule r = { .access = access_of(p->rights) & handled,
			       .fd = p->fd };
	struct stat st;

	if (fstat(p->fd, &st))
		return fault_set(f, ERR_INTERNAL, "cannot stat a folder: %s",
				 strerror(errno));
	if (!S_ISDIR(st.st_mode))
		r.access &= FS_OF_FILES;
	if (syscall(SYS_landlock_add_rule, set, RULE_PATH, &r, 0))
		return fault_set(f, ERR_INTERNAL,
				 "cannot add a Landlock rule: %s",
				 strerror(errno));
	return OK;
}

enum err landlock_apply(const struct landlock_path *path, size_t n,
			bool connects, struct fault *f)
{
	int abi = landlock_abi();
	struct ruleset r = ruleset_for(abi);
	AUTO(fd_close) int set = -1;

	if (!abi)
		return fault_set(f, ERR_UNSUPPORTED,
				 "this kernel has no Landlock: enable it with "
				 "lsm=landlock,… on the kernel command line");
	if (connects)
		r.net &= ~(uint64_t)NET_CONNECT;
	set = (int)syscall(SYS_landlock_create_ruleset, &r, ruleset_size(abi),
			   0);
	if (set < 0)
		return fault_set(f, ERR_INTERNAL,
				 "cannot make a Landlock ruleset: %s",
				 strerror(errno));
	for (size_t i = 0; i < n; i++)
		TRY(rule_add(set, &path[i], r.fs, f));
	if (syscall(SYS_landlock_restrict_self, set, 0))
		return fault_set(f, ERR_INTERNAL,
				 "cannot apply the Landlock ruleset: %s",
				 strerror(errno));
	return OK;
}
