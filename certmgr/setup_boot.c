/* Supervisor of certmgr: where a node is told what it needs to begin (bootstrap=), whose
 * files it opens for net and never reads; and the CA's root certificate, published. */
#include "certmgr/supervisor.h"

#include "lib/log.h"
#include "lib/pem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CMDLINE   "/proc/cmdline"
#define NOCLOUD   "/var/lib/cloud/seed/nocloud/user-data"
#define ROOT_FILE "root.pem"

/* As the files are called in sentences. */
#define TOKEN_WHAT "token="
#define FILE_WHAT  "bootstrap=file:"

enum {
	BOOT_SOURCES_MAX = 8,
	BOOT_BYTES_MAX = 64 << 10,
};

/* ---- configuration */

static enum err bad_source(const char *what, struct fault *f)
{
	return fault_set(
		f, ERR_INVALID,
		"bootstrap= is a list of file:PATH, cmdline, imds, "
		"nocloud and nocloud:PATH (absolute paths), each once; "
		"not '%s'",
		what);
}

static enum err take_path(const char *path, char **out, const char *source,
			  struct fault *f)
{
	if (path[0] != '/' || *out)
		return bad_source(source, f);
	*out = xstrdup(path);
	return OK;
}

static enum err add_source(const char *name, const char *source,
			   struct fault *f)
{
	struct attr_view it = attrs_view(&certmgr.source);
	struct attr a;

	while (attr_next(&it, &a))
		if (attr_is(&a, name))
			return bad_source(source, f);
	return attrs_add_str(&certmgr.source, "source", name);
}

static enum err take_source(const char *s, struct fault *f)
{
	if (!strncmp(s, "file:", 5)) {
		TRY(take_path(s + 5, &certmgr.boot_file, s, f));
		return add_source("file", s, f);
	}
	if (!strcmp(s, "nocloud") || !strncmp(s, "nocloud:", 8)) {
		TRY(take_path(s[7] ? s + 8 : NOCLOUD, &certmgr.boot_nocloud, s,
			      f));
		return add_source("nocloud", s, f);
	}
	if (!strcmp(s, "cmdline") || !strcmp(s, "imds"))
		return add_source(s, s, f);
	return bad_source(s, f);
}

/* One value, which may be several with commas between. */
static enum err take_value(const struct attr *a, struct fault *f)
{
	AUTO(mem_free) char *text = NULL;
	char *at, *word;

	TRY(attr_str(a, &text));
	at = text;
	while ((word = strsep(&at, ",")))
		TRY(take_source(word, f));
	return OK;
}

enum err certmgr_boot_configure(struct attr_view conf, struct fault *f)
{
	struct attr_view it = conf;
	struct attr a;

	attrs_init(&certmgr.source);
	certmgr.ca_hash = conf_str(conf, "ca_hash");
	certmgr.imds_url = conf_str(conf, "imds_url");
	certmgr.verify_endpoint = conf_str(conf, "verify_endpoint");
	certmgr.verify_listen = conf_str(conf, "verify_listen");
	if (!strcmp(certmgr.verify_listen, "no"))
		mem_free(&certmgr.verify_listen);
	while (attr_next(&it, &a))
		if (attr_named(&a, "bootstrap") && a.len)
			TRY(take_value(&a, f));
	if (certmgr.ca_hash &&
	    (strncmp(certmgr.ca_hash, "sha256:", 7) ||
	     strlen(certmgr.ca_hash) != 7 + 64 ||
	     strspn(certmgr.ca_hash + 7, "0123456789abcdefABCDEF") != 64))
		return fault_set(f, ERR_INVALID,
				 "ca_hash= is sha256: and the 64 hex digits "
				 "that 'cretula ca root --field hash' prints, "
				 "not '%s'",
				 certmgr.ca_hash);
	return OK;
}

/* ---- files for net */

static bool is_missing(const char *path)
{
	struct stat st;

	return lstat(path, &st) && errno == ENOENT;
}

/* The file of token= or of a bootstrap source: only its owner can read it. -1: none is
 * needed, or it is to come. */
static enum err try_secret(const char *path, const char *what, int *fd,
			   struct fault *f)
{
	*fd = -1;
	if (!path || is_missing(path))
		return OK;
	if (sup_secret_file(path, what, fd, f) == OK)
		return OK;
	fd_close(fd);
	return f->code;
}

static int open_secret(const char *path, const char *what)
{
	struct fault f;
	int fd;

	if (try_secret(path, what, &fd, &f) != OK)
		log_text(LOG_ERR, "token", "%s", f.text);
	return fd;
}

enum err certmgr_boot_prepare(struct fault *f)
{
	AUTO(fd_close) int token = -1;
	AUTO(fd_close) int file = -1;

	TRY(try_secret(certmgr.token, TOKEN_WHAT, &token, f));
	return try_secret(certmgr.boot_file, FILE_WHAT, &file, f);
}

/* User data, that whoever runs the machine has written. */
static int open_nocloud(void)
{
	size_t size;

	if (!certmgr.boot_nocloud || is_missing(certmgr.boot_nocloud))
		return -1;
	return sup_trusted_file(AT_FDCWD, certmgr.boot_nocloud, BOOT_BYTES_MAX,
				&size);
}

static bool has_source(const char *name)
{
	struct attr_view it = attrs_view(&certmgr.source);
	struct attr a;

	while (attr_next(&it, &a))
		if (attr_is(&a, name))
			return true;
	return false;
}

static size_t give(struct attrs *a, const char *name, int from, int *fd,
		   size_t n)
{
	if (from < 0)
		return n;
	ENSURE(n < CERTMGR_GIVEN && attrs_add_str(a, "given", name) == OK);
	fd[n] = from;
	return n + 1;
}

size_t certmgr_given(struct attrs *a, int *fd)
{
	size_t n = 0;

	n = give(a, "token", open_secret(certmgr.token, TOKEN_WHAT), fd, n);
	n = give(a, "file", open_secret(certmgr.boot_file, FILE_WHAT), fd, n);
	if (has_source("cmdline"))
		n = give(a, "cmdline", open(CMDLINE, O_RDONLY | O_CLOEXEC), fd,
			 n);
	return give(a, "nocloud", open_nocloud(), fd, n);
}

/* ---- the root certificate */

enum err certmgr_publish_root(struct fault *f)
{
	AUTO(buf_wipe) struct buf text = { 0 };
	uint8_t *at;
	ssize_t n;

	if (certmgr.root_fd < 0)
		return OK;
	buf_init(&text, CERTMGR_ROOT_MAX + 1);
	TRY(buf_grow(&text, CERTMGR_ROOT_MAX, &at));
	n = pread(certmgr.root_fd, at, CERTMGR_ROOT_MAX, 0);
	if (n < 0)
		return fault_set(f, ERR_UNAVAILABLE,
				 "ca_root='%s' cannot be read: %s",
				 certmgr.ca_root, strerror(errno));
	text.len = (size_t)n;
	return sup_publish(ROOT_FILE, &text, f);
}

enum err certmgr_take_root(const void *der, size_t len, struct fault *f)
{
	AUTO(buf_wipe) struct buf text = { 0 };

	if (certmgr.root_fd >= 0 || len > CERTMGR_ROOT_MAX)
		return fault_set(f, ERR_INVALID,
				 "net says a root certificate, and ca_root= "
				 "says it already");
	if (certmgr.root.len &&
	    (certmgr.root.len != len || memcmp(certmgr.root.p, der, len)))
		return fault_set(f, ERR_CONFLICT,
				 "the CA has another root certificate than "
				 "when certmgr started: 'root.pem' is as it "
				 "was: restart certmgr if that is right");
	if (!certmgr.root.len) {
		buf_init(&certmgr.root, CERTMGR_ROOT_MAX);
		TRY(buf_put(&certmgr.root, der, len));
	}
	buf_init(&text, 2 * CERTMGR_ROOT_MAX);
	TRY(pem_put("CERTIFICATE", span_of(der, len), &text));
	return sup_publish(ROOT_FILE, &text, f);
}
