/* Supervisor of ca: reads the profiles' files and sends them, as they are, to who
 * parses them: issuer and signer, each for itself. */
#include "ca/supervisor.h"

#include "lib/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct names {
	char name[CA_PROFILES][CA_PROFILE_NAME];
	size_t n;
};

/* "web.conf" is the profile web. */
static bool profile_name(const char *file, char name[CA_PROFILE_NAME])
{
	size_t n = strlen(file);

	if (n < 6 || strcmp(file + n - 5, ".conf") || n - 5 >= CA_PROFILE_NAME)
		return false;
	memcpy(name, file, n - 5);
	name[n - 5] = 0;
	return attr_name_ok(name, n - 5);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void names_read(int dir, struct names *names)
{
	int again = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = again >= 0 ? fdopendir(again) : NULL;
	struct dirent *e;

	while (d && (e = readdir(d))) {
		if (names->n == CA_PROFILES) {
			log_text(LOG_ERR, "too_many",
				 "there are over %d profiles: the others are "
				 "left out",
				 CA_PROFILES);
			break;
		}
		if (profile_name(e->d_name, names->name[names->n]))
			names->n++;
		else if (e->d_name[0] != '.')
			log_text(LOG_WARN, "file_left_out",
				 "'%s' is not named NAME.conf", e->d_name);
	}
	if (d)
		closedir(d);
	qsort(names->name, names->n, sizeof names->name[0], by_name);
}

static enum err read_all(int fd, size_t size, struct buf *text)
{
	uint8_t b[4096];
	ssize_t n;

	while ((n = read(fd, b, MIN(sizeof b, size - text->len + 1))) > 0)
		TRY(buf_put(text, b, (size_t)n));
	return n == 0 && text->len == size ? OK : ERR_UNAVAILABLE;
}

/* False: it is left out. */
static bool send_one(struct sup_child *c, int dir, const char *name,
		     size_t *bytes)
{
	char file[CA_PROFILE_NAME + 8];
	AUTO(fd_close) int fd = -1;
	struct attrs a;
	struct buf text;
	size_t size = 0;
	bool good;

	(void)snprintf(file, sizeof file, "%s.conf", name);
	fd = sup_trusted_file(dir, file, CA_PROFILE_MAX, &size);
	if (fd < 0 || size > CA_PROFILE_BYTES - *bytes)
		return false;
	attrs_init(&a);
	buf_init(&text, CA_PROFILE_MAX);
	good = read_all(fd, size, &text) == OK &&
	       attrs_add_str(&a, "name", name) == OK &&
	       attrs_add(&a, "text", 0, text.p, text.len) == OK;
	if (good)
		chan_tell(&c->chan, SUP_PROFILE, 0, attrs_view(&a));
	else
		log_text(LOG_ERR, "file_left_out", "'%s' changed while read",
			 file);
	*bytes += size;
	buf_wipe(&text);
	attrs_wipe(&a);
	return good;
}

size_t ca_send_profiles(struct sup_child *c)
{
	AUTO(fd_close)
	int dir = open(ca.profiles, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct names *names = xcalloc(1, sizeof *names);
	struct attrs end;
	size_t bytes = 0, sent = 0;

	attrs_init(&end);
	if (dir < 0 && errno != ENOENT) {
		log_text(LOG_ERR, "no_profiles", "'%s': %s", ca.profiles,
			 strerror(errno));
		ENSURE(attrs_add_str(&end, "error", strerror(errno)) == OK);
	}
	chan_tell(&c->chan, SUP_PROFILES, 0, (struct attr_view){ 0 });
	if (dir >= 0)
		names_read(dir, names);
	for (size_t i = 0; i < names->n; i++)
		sent += send_one(c, dir, names->name[i], &bytes);
	chan_tell(&c->chan, SUP_PROFILES_END, 0, attrs_view(&end));
	attrs_wipe(&end);
	free(names);
	return sent;
}
