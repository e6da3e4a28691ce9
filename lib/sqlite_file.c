/* Used by the store roles, which hold no key: what they open may have been edited by
 * anybody who could write to the disk. */
#include "lib/sqlite_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	FOLDER_MODE = 0700,
	FILE_MODE = 0600,
	MODE_BITS = 07777,
	SQL_MAX = 4096,
};

enum err sqlite_folder_check(struct fault *f)
{
	struct stat st;

	if (stat(".", &st))
		return fault_set(f, ERR_UNAVAILABLE,
				 "the state folder cannot be read: %s",
				 strerror(errno));
	if (st.st_uid != geteuid())
		return fault_set(f, ERR_INVALID,
				 "the state folder belongs to uid %u instead "
				 "of %u: give it back with chown",
				 st.st_uid, geteuid());
	if ((st.st_mode & MODE_BITS) != FOLDER_MODE)
		return fault_set(f, ERR_INVALID,
				 "the state folder has mode %04o: set it to "
				 "0700 with chmod",
				 st.st_mode & MODE_BITS);
	return OK;
}

enum err sqlite_file_check(const struct sqlite_file *s, bool *there,
			   struct fault *f)
{
	struct stat st;

	*there = false;
	if (fstatat(AT_FDCWD, s->name, &st, AT_SYMLINK_NOFOLLOW)) {
		if (errno == ENOENT)
			return OK;
		return fault_set(f, ERR_UNAVAILABLE, "%s cannot be read: %s",
				 s->name, strerror(errno));
	}
	if (!S_ISREG(st.st_mode))
		return fault_set(f, ERR_INVALID,
				 "%s is not a plain file (a symbolic link is "
				 "not followed)",
				 s->name);
	if (st.st_uid != geteuid() || st.st_nlink != 1)
		return fault_set(f, ERR_INVALID,
				 "%s belongs to uid %u and has %lu names: it "
				 "has to be ours alone",
				 s->name, st.st_uid,
				 (unsigned long)st.st_nlink);
	if ((st.st_mode & MODE_BITS) != FILE_MODE)
		return fault_set(f, ERR_INVALID,
				 "%s has mode %04o: set it to 0600 with chmod",
				 s->name, st.st_mode & MODE_BITS);
	*there = true;
	return OK;
}

enum err sqlite_file_make(const struct sqlite_file *s, struct fault *f)
{
	int fd = openat(AT_FDCWD, s->name,
			O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			FILE_MODE);

	if (fd < 0)
		return fault_set(f, ERR_UNAVAILABLE, "%s cannot be created: %s",
				 s->name, strerror(errno));
	/* The mode must not depend on the umask. */
	if (fchmod(fd, FILE_MODE)) {
		close(fd);
		return fault_set(f, ERR_UNAVAILABLE,
				 "the mode of %s cannot be set: %s", s->name,
				 strerror(errno));
	}
	close(fd);
	return OK;
}

/* SQLite makes every name absolute and walks there; we may not search the folders
 * above ours, and need not: the file is in the current one. */
static int same_name(sqlite3_vfs *vfs, const char *name, int room, char *out)
{
	size_t n = strlen(name);

	(void)vfs;
	if ((size_t)room < n + 1)
		return SQLITE_CANTOPEN;
	memcpy(out, name, n + 1);
	return SQLITE_OK;
}

static const char *relative_vfs(void)
{
	static sqlite3_vfs vfs;

	if (vfs.zName)
		return vfs.zName;
	ENSURE(sqlite3_initialize() == SQLITE_OK);
	ENSURE(sqlite3_vfs_find(NULL) != NULL);
	vfs = *sqlite3_vfs_find(NULL);
	vfs.zName = "cretula";
	vfs.xFullPathname = same_name;
	vfs.pNext = NULL;
	ENSURE(sqlite3_vfs_register(&vfs, 0) == SQLITE_OK);
	return vfs.zName;
}

static enum err disk(struct fault *f)
{
	return fault_set(f, ERR_UNAVAILABLE,
			 "the disk is full: free space under the state folder; "
			 "nothing was changed");
}

enum err sqlite_file_fault(const struct sqlite_file *s, int rc, struct fault *f)
{
	sqlite3 *sql = s->sql;
	const char *why = sql ? sqlite3_errmsg(sql) : sqlite3_errstr(rc);
	int sys = sql ? sqlite3_system_errno(sql) : 0;

	switch (rc & 0xff) {
	case SQLITE_FULL:
		return disk(f);
	case SQLITE_IOERR:
		if (sys == ENOSPC || sys == EDQUOT)
			return disk(f);
		return fault_set(f, ERR_UNAVAILABLE,
				 "%s cannot be read or written: %s", s->name,
				 sys ? strerror(sys) : why);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return fault_set(f, ERR_UNAVAILABLE,
				 "%s is in use by another process", s->name);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return fault_set(f, ERR_INVALID,
				 "%s is damaged (%s): restore it from a backup",
				 s->name, why);
	default:
		return fault_set(f, ERR_UNAVAILABLE, "%s cannot be used: %s",
				 s->name, why);
	}
}

enum err sqlite_file_exec(const struct sqlite_file *s, const char *text,
			  struct fault *f)
{
	int rc = sqlite3_exec(s->sql, text, NULL, NULL, NULL);

	return rc == SQLITE_OK ? OK : sqlite_file_fault(s, rc, f);
}

enum err sqlite_file_empty(const struct sqlite_file *s, bool *empty,
			   struct fault *f)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(
		s->sql, "SELECT 1 FROM sqlite_schema LIMIT 1", -1, &st, NULL);

	if (rc != SQLITE_OK)
		return sqlite_file_fault(s, rc, f);
	rc = sqlite3_step(st);
	sqlite3_finalize(st);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return sqlite_file_fault(s, rc, f);
	*empty = rc == SQLITE_DONE;
	return OK;
}

/* The schema is data of whoever could write the file: no triggers, no views, no
 * functions with side effects, no huge values. */
static void distrust(const struct sqlite_file *s)
{
	static const struct {
		int op;
		int on;
	} config[] = {
		{ SQLITE_DBCONFIG_DEFENSIVE, 1 },
		{ SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
		{ SQLITE_DBCONFIG_ENABLE_TRIGGER, 0 },
		{ SQLITE_DBCONFIG_ENABLE_VIEW, 0 },
		{ SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0 },
		{ SQLITE_DBCONFIG_DQS_DML, 0 },
		{ SQLITE_DBCONFIG_DQS_DDL, 0 },
	};

	for (size_t i = 0; i < NELEM(config); i++)
		ENSURE(sqlite3_db_config(s->sql, config[i].op, config[i].on,
					 NULL) == SQLITE_OK);
	sqlite3_limit(s->sql, SQLITE_LIMIT_LENGTH, s->value_max);
	sqlite3_limit(s->sql, SQLITE_LIMIT_SQL_LENGTH, SQL_MAX);
	sqlite3_limit(s->sql, SQLITE_LIMIT_ATTACHED, 0);
}

/* Exclusive locking comes first: then the log needs no shared memory. */
static enum err configure(const struct sqlite_file *s, struct fault *f)
{
	return sqlite_file_exec(s,
				"PRAGMA locking_mode=EXCLUSIVE;"
				"PRAGMA journal_mode=WAL;"
				"PRAGMA synchronous=FULL;"
				"PRAGMA temp_store=MEMORY;"
				"PRAGMA mmap_size=0;"
				"PRAGMA cell_size_check=ON;"
				"PRAGMA foreign_keys=OFF;"
				"PRAGMA secure_delete=ON;"
				"PRAGMA journal_size_limit=16777216;",
				f);
}

void sqlite_file_close(struct sqlite_file *s)
{
	sqlite3_close(s->sql);
	s->sql = NULL;
}

enum err sqlite_file_open(struct sqlite_file *s, struct fault *f)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
		    SQLITE_OPEN_PRIVATECACHE;
	int rc = sqlite3_open_v2(s->name, &s->sql, flags, relative_vfs());
	enum err e;

	if (rc != SQLITE_OK) {
		e = sqlite_file_fault(s, rc, f);
		sqlite_file_close(s);
		return e;
	}
	sqlite3_extended_result_codes(s->sql, 1);
	distrust(s);
	e = configure(s, f);
	if (e != OK)
		sqlite_file_close(s);
	return e;
}
