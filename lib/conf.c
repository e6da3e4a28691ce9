/* Configuration. Read by supervisors and the command, before anything is confined;
 * holds no secret, and refuses confidential attributes. */
#include "lib/conf.h"

#include "lib/conf_file.h"
#include "lib/num.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What was said so far for one name. */
struct conf_slot {
	struct attrs values;
	unsigned file; /* number of the file that said it last; 0: none */
};

struct conf {
	const struct conf_decl *decls;
	size_t count;
	struct conf_slot slot[CONF_DECLS_MAX];
	unsigned file; /* number of the file being read */
};

/* A place in a file, for error sentences. */
struct conf_at {
	const char *path;
	unsigned line;
};

static void conf_init(struct conf *c, const struct conf_decl *decls)
{
	*c = (struct conf){ .decls = decls };
	while (decls[c->count].name)
		c->count++;
	ENSURE(c->count <= CONF_DECLS_MAX);
	for (size_t i = 0; i < c->count; i++)
		attrs_init(&c->slot[i].values);
}

static void conf_wipe(struct conf *c)
{
	for (size_t i = 0; i < c->count; i++)
		attrs_wipe(&c->slot[i].values);
}

/* Values. */

static enum err conf_number(const struct conf_decl *d, const char *p, size_t n,
			    uint64_t *v)
{
	uint64_t most = d->most ? d->most : UINT64_MAX;

	if (d->type == CONF_SIZE)
		TRY(num_size(p, n, most, v));
	else if (d->type == CONF_DURATION)
		TRY(num_duration(p, n, false, most, v));
	else
		TRY(num_u64(p, n, most, v));
	return *v < d->least ? ERR_INVALID : OK;
}

static const char *conf_form(enum conf_type type)
{
	static const char *const form[] = {
		[CONF_TEXT] = "a text",
		[CONF_PATH] = "an absolute path",
		[CONF_SIZE] = "a size such as 64K, 16M or 1G",
		[CONF_DURATION] = "a duration such as 90s, 5m or 24h",
		[CONF_NUMBER] = "a number",
		[CONF_BOOL] = "yes or no",
		[CONF_LIST] = "a text",
	};

	return form[type];
}

static enum err conf_bad_value(const struct conf_decl *d, struct conf_at at,
			       struct fault *f)
{
	if (d->least || d->most)
		return fault_set(
			f, ERR_INVALID, "%s:%u: '%s' is %s, from %llu to %llu",
			at.path, at.line, d->name, conf_form(d->type),
			(unsigned long long)d->least,
			(unsigned long long)(d->most ? d->most : UINT64_MAX));
	return fault_set(f, ERR_INVALID, "%s:%u: '%s' is %s", at.path, at.line,
			 d->name, conf_form(d->type));
}

static enum err conf_add(struct conf_slot *s, const struct conf_decl *d,
			 const struct attr *a, struct conf_at at,
			 struct fault *f)
{
	const char *p = (const char *)a->value;
	uint64_t v;

	if (a->len && memchr(p, 0, a->len))
		return conf_bad_value(d, at, f);
	switch (d->type) {
	case CONF_SIZE:
	case CONF_DURATION:
	case CONF_NUMBER:
		if (conf_number(d, p, a->len, &v) != OK)
			return conf_bad_value(d, at, f);
		return attrs_add_u64(&s->values, d->name, v);
	case CONF_PATH:
		if (!a->len || p[0] != '/')
			return conf_bad_value(d, at, f);
		break;
	case CONF_BOOL:
		if (!attr_is(a, "yes") && !attr_is(a, "no"))
			return conf_bad_value(d, at, f);
		break;
	case CONF_TEXT:
	case CONF_LIST:
		break;
	}
	return attrs_add_attr(&s->values, a);
}

/* Names. */

enum {
	NEAR_MAX = 3
};

/* Edits (insert, remove, replace) that turn a into the other name. */
static unsigned conf_distance(const struct attr *a, const char *other)
{
	unsigned row[ATTR_NAME_MAX + 1];
	size_t n = MIN(a->name_len, (size_t)ATTR_NAME_MAX);

	for (size_t j = 0; j <= n; j++)
		row[j] = (unsigned)j;
	for (size_t i = 0; other[i]; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i + 1;
		for (size_t j = 1; j <= n; j++) {
			unsigned best = diagonal + (a->name[j - 1] != other[i]);

			diagonal = row[j];
			best = MIN(best, diagonal + 1);
			row[j] = MIN(best, row[j - 1] + 1);
		}
	}
	return row[n];
}

static enum err conf_unknown(const struct conf *c, const struct attr *a,
			     struct conf_at at, struct fault *f)
{
	const char *nearest = NULL;
	unsigned best = NEAR_MAX;

	for (size_t i = 0; i < c->count; i++) {
		unsigned d = conf_distance(a, c->decls[i].name);

		if (d < best) {
			best = d;
			nearest = c->decls[i].name;
		}
	}
	if (nearest)
		return fault_set(f, ERR_INVALID,
				 "%s:%u: there is no setting '%.*s': did you "
				 "mean '%s'?",
				 at.path, at.line, a->name_len, a->name,
				 nearest);
	return fault_set(f, ERR_INVALID, "%s:%u: there is no setting '%.*s'",
			 at.path, at.line, a->name_len, a->name);
}

static enum err conf_say(struct conf *c, const struct attr *a,
			 struct conf_at at, struct fault *f)
{
	const struct conf_decl *d = c->decls;
	struct conf_slot *s = c->slot;

	while (d->name && !attr_named(a, d->name)) {
		d++;
		s++;
	}
	if (!d->name)
		return conf_unknown(c, a, at, f);
	if (a->flags & ATTR_CONFIDENTIAL)
		return fault_set(f, ERR_INVALID,
				 "%s:%u: '!%s': configuration holds nothing "
				 "confidential",
				 at.path, at.line, d->name);
	if (d->type == CONF_LIST && !a->len) {
		attrs_clear(&s->values);
		s->file = c->file;
		return OK;
	}
	if (d->type != CONF_LIST && s->file == c->file)
		return fault_set(f, ERR_INVALID,
				 "%s:%u: '%s' is said twice in this file",
				 at.path, at.line, d->name);
	if (d->type != CONF_LIST)
		attrs_clear(&s->values);
	s->file = c->file;
	return conf_add(s, d, a, at, f);
}

/* Text. */

static enum err conf_line(struct conf *c, const char *p, size_t n,
			  struct conf_at at, struct fault *f)
{
	AUTO(attrs_wipe) struct attrs said = { 0 };
	struct attr_view it;
	struct attr a;
	struct fault why;
	size_t skip = 0;
	enum err e;

	while (skip < n && (p[skip] == ' ' || p[skip] == '\t'))
		skip++;
	attrs_init(&said);
	if (skip == n || p[skip] == '#')
		return OK;
	e = attrs_parse_text(&said, p, n, &why);
	if (e != OK)
		return fault_set(f, e, "%s:%u: %.300s", at.path, at.line,
				 why.text);
	it = attrs_view(&said);
	while (attr_next(&it, &a))
		TRY(conf_say(c, &a, at, f));
	return OK;
}

static enum err conf_text(struct conf *c, const char *text, size_t len,
			  const char *where, struct fault *f)
{
	struct conf_at at = { .path = where };

	c->file++;
	while (len) {
		const char *end = memchr(text, '\n', len);
		size_t n = end ? (size_t)(end - text) : len;

		at.line++;
		TRY(conf_line(c, text, n, at, f));
		n += end != NULL;
		text += n;
		len -= n;
	}
	return OK;
}

/* Files. */

static enum err conf_file(struct conf *c, const char *path, struct fault *f)
{
	AUTO(buf_wipe) struct buf text = { 0 };

	buf_init(&text, CONF_FILE_MAX + CONF_FILE_ROOM);
	TRY(conf_file_read(path, &text, f));
	return conf_text(c, (const char *)text.p, text.len, path, f);
}

static int conf_is_part(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return d->d_name[0] != '.' && n > 5 &&
	       !strcmp(d->d_name + n - 5, ".conf");
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static enum err conf_parts(struct conf *c, const char *dir,
			   struct dirent **names, int n, struct fault *f)
{
	if (n > CONF_FILES_MAX)
		return fault_set(f, ERR_TOO_LARGE,
				 "'%s' holds more than %d files", dir,
				 CONF_FILES_MAX);
	for (int i = 0; i < n; i++) {
		AUTO(mem_free) char *path = NULL;

		ENSURE(asprintf(&path, "%s/%s", dir, names[i]->d_name) > 0);
		TRY(conf_file(c, path, f));
	}
	return OK;
}

/* FILE.d/NAME.conf, in the order of the names' bytes; none is fine. */
static enum err conf_folder(struct conf *c, const char *file, struct fault *f)
{
	AUTO(mem_free) char *dir = NULL;
	AUTO(fd_close) int fd = -1;
	struct dirent **names = NULL;
	enum err e;
	int n;

	ENSURE(asprintf(&dir, "%s.d", file) > 0);
	e = conf_file_open(dir, S_IFDIR, &fd, f);
	if (e != OK)
		return e == ERR_NOT_FOUND ? OK : e;
	n = scandirat(fd, ".", &names, conf_is_part, by_bytes);
	if (n < 0)
		return fault_set(f, ERR_INVALID, "cannot read '%s': %s", dir,
				 strerror(errno));
	e = conf_parts(c, dir, names, n, f);
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
	return e;
}

/* The result. */

static enum err conf_preset(struct conf_slot *s, const struct conf_decl *d,
			    struct fault *f)
{
	struct conf_at at = { .path = "(preset)" };
	struct attr a = { .name = d->name,
			  .name_len = (uint8_t)strlen(d->name) };

	if (!d->preset || s->values.count || s->file)
		return OK;
	a.value = (const uint8_t *)d->preset;
	a.len = (uint32_t)strlen(d->preset);
	return conf_add(s, d, &a, at, f);
}

static enum err conf_finish(struct conf *c, struct attrs *out, struct fault *f)
{
	for (size_t i = 0; i < c->count; i++) {
		TRY(conf_preset(&c->slot[i], &c->decls[i], f));
		TRY(attrs_add_view(out, attrs_view(&c->slot[i].values)));
	}
	return OK;
}

static enum err conf_optional(enum err e)
{
	return e == ERR_NOT_FOUND ? OK : e;
}

static enum err conf_read_places(struct conf *c, const char *vendor,
				 const char *etc, const char *daemon,
				 struct fault *f)
{
	AUTO(mem_free) char *first = NULL;
	AUTO(mem_free) char *second = NULL;

	ENSURE(asprintf(&first, "%s/%s.conf", vendor, daemon) > 0);
	ENSURE(asprintf(&second, "%s/%s.conf", etc, daemon) > 0);
	TRY(conf_optional(conf_file(c, first, f)));
	TRY(conf_optional(conf_file(c, second, f)));
	return conf_folder(c, second, f);
}

static enum err conf_read_path(struct conf *c, const char *path,
			       struct fault *f)
{
	enum err e = conf_file(c, path, f);

	if (e == ERR_NOT_FOUND)
		return fault_set(f, e, "there is no file '%s'", path);
	TRY(e);
	return conf_folder(c, path, f);
}

enum err conf_load_from(const char *vendor, const char *etc, const char *daemon,
			const struct conf_decl *decls, struct attrs *out,
			struct fault *f)
{
	AUTO(conf_wipe) struct conf c = { 0 };

	conf_init(&c, decls);
	TRY(conf_read_places(&c, vendor, etc, daemon, f));
	return conf_finish(&c, out, f);
}

static char *conf_etc(void)
{
	const char *base = getenv("XDG_CONFIG_HOME");
	const char *home = getenv("HOME");
	char *path = NULL;

	if (geteuid() == 0)
		return xstrdup("/etc/cretula");
	if (base && base[0] == '/')
		ENSURE(asprintf(&path, "%s/cretula", base) > 0);
	else if (home && home[0] == '/')
		ENSURE(asprintf(&path, "%s/.config/cretula", home) > 0);
	else
		path = xstrdup("/etc/cretula");
	return path;
}

static enum err conf_load_file(const char *path, const struct conf_decl *decls,
			       struct attrs *out, struct fault *f)
{
	AUTO(conf_wipe) struct conf c = { 0 };

	conf_init(&c, decls);
	TRY(conf_read_path(&c, path, f));
	return conf_finish(&c, out, f);
}

enum err conf_load(const char *path, const char *daemon,
		   const struct conf_decl *decls, struct attrs *out,
		   struct fault *f)
{
	AUTO(mem_free) char *etc = NULL;

	if (path)
		return conf_load_file(path, decls, out, f);
	etc = conf_etc();
	return conf_load_from("/usr/lib/cretula", etc, daemon, decls, out, f);
}

enum err conf_check_text(const char *text, size_t len, const char *where,
			 const struct conf_decl *decls, struct attrs *out,
			 struct fault *f)
{
	AUTO(conf_wipe) struct conf c = { 0 };

	conf_init(&c, decls);
	TRY(conf_text(&c, text, len, where, f));
	return conf_finish(&c, out, f);
}

uint64_t conf_u64(struct attr_view conf, const char *name)
{
	struct attr a;
	uint64_t v = 0;

	ENSURE(attr_find(conf, name, &a));
	ENSURE(attr_u64(&a, UINT64_MAX, &v) == OK);
	return v;
}

bool conf_bool(struct attr_view conf, const char *name)
{
	struct attr a;

	ENSURE(attr_find(conf, name, &a));
	return attr_is(&a, "yes");
}

char *conf_str(struct attr_view conf, const char *name)
{
	struct attr a;
	char *s = NULL;

	if (!attr_find(conf, name, &a))
		return NULL;
	ENSURE(attr_str(&a, &s) == OK);
	return s;
}

enum err conf_second(struct attr_view conf, const char *name, const char *first,
		     const char *second, bool *is, struct fault *f)
{
	AUTO(mem_free) char *said = conf_str(conf, name);

	ENSURE(said);
	if (strcmp(said, first) && strcmp(said, second))
		return fault_set(f, ERR_INVALID,
				 "%s= is '%s' or '%s', not '%s'", name, first,
				 second, said);
	*is = !strcmp(said, second);
	return OK;
}
