/* Supervisor: what credd prepares besides what every daemon does: the arena, the key
 * file, the transport key; and the modules' bytes. Holds no secret. */
#include "credd/supervisor.h"

#include "lib/enc.h"
#include "lib/log.h"
#include "lib/remote.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	SETUP_ARENA = 4096,
};

const struct conf_decl credd_decls[] = {
	{ .name = "run", .type = CONF_PATH },
	{ .name = "state", .type = CONF_PATH },
	{ .name = "modules", .type = CONF_PATH, .preset = CRETULA_MODULES },
	{ .name = "audit", .type = CONF_TEXT, .preset = "normal" },
	{ .name = "unseal_keyfile", .type = CONF_PATH },
	{ .name = "admin_group", .type = CONF_TEXT, .preset = "cretula-admin" },
	REMOTE_DECLS,
	REMOTE_DECLS_CLIENT,
	{ .name = NULL },
};

/* The arena and the key file */

int credd_arena(void)
{
	int fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);

	if (fd >= 0 && ftruncate(fd, SETUP_ARENA))
		fd_close(&fd);
	if (fd < 0)
		log_text(
			LOG_WARN, "no_memfd_secret",
			"a vault that dies comes back sealed here: this kernel "
			"has no memfd_secret");
	return fd;
}

enum err credd_configure(struct attr_view conf, struct fault *f)
{
	AUTO(mem_free) char *keyfile = conf_str(conf, "unseal_keyfile");

	credd.modules = conf_str(conf, "modules");
	TRY(conf_second(conf, "audit", "normal", "durable", &credd.durable, f));
	credd.keyfile = -1;
	if (!keyfile)
		return OK;
	return sup_secret_file(keyfile, "unseal_keyfile", &credd.keyfile, f);
}

enum err credd_prepare(struct fault *f)
{
	TRY(sup_folder(NULL, ROLE_STORE, &credd.store_fd, f));
	credd.arena = credd_arena();
	return OK;
}

/* transport.pub */

enum err credd_transport(const void *key, size_t len, struct fault *f)
{
	AUTO(buf_wipe) struct buf line = { 0 };

	buf_init(&line, SUP_LINE_MAX);
	if (buf_str(&line, "version=1 key=") != OK ||
	    enc_base64(key, len, &line) != OK || buf_str(&line, "\n") != OK)
		return fault_set(f, ERR_TOO_LARGE, "the key is too long");
	return sup_publish("transport.pub", &line, f);
}

/* Modules */

/* Copies a file into a memfd that nobody can change any more. */
static int sealed_copy(int from, size_t size)
{
	AUTO(fd_close)
	int to = memfd_create("module", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int out = to;
	size_t done = 0;
	char b[1 << 16];

	while (to >= 0 && done < size) {
		ssize_t n = read(from, b, sizeof b);

		if (n <= 0 || write(to, b, (size_t)n) != n)
			return -1;
		done += (size_t)n;
	}
	if (to < 0 || done != size ||
	    fcntl(to, F_ADD_SEALS,
		  F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL))
		return -1;
	to = -1;
	return out;
}

static bool module_name(const char *file, char *name, size_t size)
{
	size_t n = strlen(file);

	if (n < 4 || strcmp(file + n - 3, ".so") || n - 3 >= size)
		return false;
	memcpy(name, file, n - 3);
	name[n - 3] = 0;
	return attr_name_ok(name, n - 3);
}

static void give_module(int dir, const char *file, const char *name,
			void (*each)(const char *name, int fd))
{
	size_t size = 0;
	AUTO(fd_close)
	int fd = sup_trusted_file(dir, file, CREDD_MODULE_MAX, &size);
	AUTO(fd_close) int copy = -1;

	if (fd < 0)
		return;
	copy = sealed_copy(fd, size);
	if (copy >= 0)
		each(name, copy);
}

void credd_modules(void (*each)(const char *name, int fd))
{
	DIR *d = opendir(credd.modules);
	struct dirent *e;

	if (!d)
		log_text(LOG_ERR, "no_modules", "'%s': %s", credd.modules,
			 strerror(errno));
	while (d && (e = readdir(d))) {
		char name[ATTR_NAME_MAX + 1];

		if (module_name(e->d_name, name, sizeof name))
			give_module(dirfd(d), e->d_name, name, each);
	}
	if (d)
		closedir(d);
}
