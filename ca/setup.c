/* Supervisor of ca: what it prepares besides what every daemon does: the listeners,
 * the folders of store and signer, the key file. Reads no byte of that file. */
#include "ca/supervisor.h"

#include "lib/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEYFILE     "keyfile"
#define KEYFILE_NEW ".keyfile.new"

const struct conf_decl ca_decls[] = {
	{ .name = "run", .type = CONF_PATH },
	{ .name = "state", .type = CONF_PATH },
	{ .name = "admin_group", .type = CONF_TEXT, .preset = "cretula-admin" },
	{ .name = "listen", .type = CONF_TEXT, .preset = "0.0.0.0:7443" },
	{ .name = "listen_http", .type = CONF_TEXT, .preset = "0.0.0.0:7080" },
	{ .name = "public_url", .type = CONF_TEXT },
	{ .name = "tls_names", .type = CONF_LIST },
	{ .name = "profiles",
	  .type = CONF_PATH,
	  .preset = "/etc/cretula/profiles.d" },
	{ .name = "default_profile", .type = CONF_BOOL, .preset = "no" },
	{ .name = "keyfile", .type = CONF_PATH },
	{ .name = "probe_loopback", .type = CONF_BOOL, .preset = "no" },
	{ .name = NULL },
};

/* It goes into certificates: printable, without what ends a URL's text. */
static enum err check_url(const char *url, struct fault *f)
{
	size_t n = strlen(url);

	for (size_t i = 0; i < n; i++)
		if (url[i] <= ' ' || url[i] > '~' || strchr("\"<>\\?#", url[i]))
			n = 0;
	if (n > 7 && n < 200 && !strncmp(url, "http://", 7) &&
	    url[n - 1] != '/')
		return OK;
	return fault_set(f, ERR_INVALID,
			 "public_url= is an http:// URL without query and "
			 "without a slash at its end, not '%s'",
			 url);
}

enum err ca_configure(struct attr_view conf, struct fault *f)
{
	struct attr_view it = conf;
	struct attr a;

	attrs_init(&ca.tls_names);
	while (attr_next(&it, &a))
		if (attr_named(&a, "tls_names"))
			TRY(attrs_add_attr(&ca.tls_names, &a));
	ca.listen = conf_str(conf, "listen");
	ca.listen_http = conf_str(conf, "listen_http");
	ca.public_url = conf_str(conf, "public_url");
	ca.profiles = conf_str(conf, "profiles");
	ca.keyfile = conf_str(conf, "keyfile");
	ca.default_profile = conf_bool(conf, "default_profile");
	ca.probe_loopback = conf_bool(conf, "probe_loopback");
	return ca.public_url ? check_url(ca.public_url, f) : OK;
}

/* Written completely before it has its name; only then is it ever used. */
static enum err make_keyfile(struct fault *f)
{
	int dir = sup.setup.state_fd;
	AUTO(fd_close) int fd = -1;
	uint8_t key[CA_KEYFILE_SIZE];
	bool good;

	(void)unlinkat(dir, KEYFILE_NEW, 0);
	fd = openat(dir, KEYFILE_NEW,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	random_fill(key, sizeof key);
	good = fd >= 0 && write(fd, key, sizeof key) == sizeof key &&
	       !fsync(fd) && !renameat(dir, KEYFILE_NEW, dir, KEYFILE) &&
	       !fsync(dir);
	explicit_bzero(key, sizeof key);
	if (!good)
		return fault_set(f, ERR_UNAVAILABLE,
				 "the key file '%s/" KEYFILE
				 "' cannot be made: %s",
				 sup.setup.state, strerror(errno));
	return OK;
}

static enum err open_keyfile(struct fault *f)
{
	if (!ca.keyfile) {
		ENSURE(asprintf(&ca.keyfile, "%s/" KEYFILE, sup.setup.state) >
		       0);
		if (faccessat(sup.setup.state_fd, KEYFILE, F_OK,
			      AT_SYMLINK_NOFOLLOW) &&
		    errno == ENOENT)
			TRY(make_keyfile(f));
	}
	return sup_secret_file(ca.keyfile, "keyfile", &ca.keyfile_fd, f);
}

/* The host's name, unless it listens at one address only. */
static void choose_url(void)
{
	AUTO(mem_free) char *host = NULL;

	if (ca.public_url)
		return;
	if (strncmp(ca.http, "0.0.0.0:", 8) && strncmp(ca.http, "[::]:", 5)) {
		ENSURE(asprintf(&ca.public_url, "http://%s", ca.http) > 0);
		return;
	}
	host = listen_host_name();
	ENSURE(asprintf(&ca.public_url, "http://%s%s", host,
			strrchr(ca.http, ':')) > 0);
}

static enum err publish_addresses(struct fault *f)
{
	struct attrs a;
	struct buf line;
	enum err e;

	attrs_init(&a);
	buf_init(&line, SUP_LINE_MAX);
	ENSURE(attrs_add_str(&a, "https", ca.https) == OK);
	ENSURE(attrs_add_str(&a, "http", ca.http) == OK);
	e = attr_format_text(attrs_view(&a), &line);
	if (e == OK)
		e = buf_str(&line, "\n");
	if (e == OK)
		e = sup_publish("addresses", &line, f);
	buf_wipe(&line);
	attrs_wipe(&a);
	return e;
}

enum err ca_prepare(struct fault *f)
{
	TRY(sup_folder("store", ROLE_STORE, &ca.store_fd, f));
	TRY(sup_folder("signer", ROLE_SIGNER, &ca.signer_fd, f));
	TRY(open_keyfile(f));
	TRY(listen_tcp(ca.listen, &ca.https_fd, ca.https, f));
	TRY(listen_tcp(ca.listen_http, &ca.http_fd, ca.http, f));
	choose_url();
	return publish_addresses(f);
}
