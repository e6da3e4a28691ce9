/* A process as /proc tells: what binds an agent to its process, and its program. Read
 * while the process is known to live (a pidfd is held and asked again afterwards, or the
 * kernel has frozen it); nobody's word is taken for any of it. */
#ifndef LIB_PROCINFO_H
#define LIB_PROCINFO_H

#include "lib/attr.h"

#include <sys/types.h>

enum {
	BOOT_ID = 36, /* characters of the boot's id */
};

struct procinfo {
	pid_t pid;    /* of the process, not of one of its threads */
	pid_t parent; /* 0: none that we see */
	uint64_t
		start; /* clock ticks after boot: pid and start name a process */
	char state;    /* 'D' while it waits for an upcall */
	uid_t uid, euid, fsuid;
	gid_t gid;
	uint64_t user_ns, pid_ns; /* inodes; 0: may not be looked at */
	/* Its program: exec changes these, but of a process that has given up the
	 * randomising of addresses (personality(2)) and executes the same file with
	 * arguments as long. 0: may not be looked at */
	uint64_t exe_dev, exe_ino;
	uint64_t image; /* where its stack and code begin, hashed */
	/* Others of its uid can ptrace it (but for Yama). Not known of the root of a
	 * user namespace, of the first one too: true. */
	bool dumpable;
};

/* Which file the link exe of a process is, by what the kernel has of that file: whose file
 * system it is may be mute, and is not asked. False: it may not be known. */
MUST bool procinfo_exe(int dir, const char *path, uint64_t *dev, uint64_t *ino);

/* Reads about the process that `id` is, or is a thread of. ERR_NOT_FOUND if there is
 * none; what may not be read is 0. */
MUST enum err procinfo_read(pid_t id, struct procinfo *p, struct fault *f);

/* Only what /proc/ID/stat tells, in four system calls: pid (id itself, if that is a
 * thread), parent, start, state, image; the rest is 0. */
MUST enum err procinfo_read_stat(pid_t id, struct procinfo *p, struct fault *f);

/* As procinfo_read, about the process of a pidfd, which lived when all had been read:
 * ERR_NOT_FOUND otherwise; ERR_INVALID if it is no pidfd. */
MUST enum err procinfo_of_pidfd(int pidfd, struct procinfo *p, struct fault *f);

/* True if both are the same process; … and it runs the same program, exec'ed once:
 * false if of one it is not known what it runs. */
bool procinfo_same(const struct procinfo *a, const struct procinfo *b);
bool procinfo_same_program(const struct procinfo *a, const struct procinfo *b);

/* As attributes pid= parent= start= uid= euid= fsuid= gid= user_ns= pid_ns= exe_dev=
 * exe_ino= image= dumpable=yes|no (state is left out), and back: others are passed
 * over; ERR_INVALID if one is missing, twice or unreadable. */
MUST enum err procinfo_format(const struct procinfo *p, struct attrs *out);
MUST enum err procinfo_parse(struct attr_view v, struct procinfo *p,
			     struct fault *f);

/* The parsers behind it: the text of /proc/PID/stat (whose program name may hold any
 * byte) and of /proc/PID/status, which may be cut anywhere after its line Gid.
 * ERR_INVALID if it is not that. The first sets pid parent start state image, the
 * second pid parent state uid euid fsuid gid. */
MUST enum err procinfo_parse_stat(const char *text, size_t len,
				  struct procinfo *p);
MUST enum err procinfo_parse_status(const char *text, size_t len,
				    struct procinfo *p);

/* The id of this boot; ERR_UNAVAILABLE. */
MUST enum err procinfo_boot(char boot[BOOT_ID + 1]);

#endif
