/* Tests only; see modhost.h. */
#include "tests/tool/modhost.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void modlist_add(struct modlist *l, const char *name, const void *value,
		 size_t len)
{
	unsigned char *copy = xcalloc(1, len + 1);

	ENSURE(l->count < MODHOST_ATTRS);
	if (len)
		memcpy(copy, value, len);
	l->item[l->count++] = (struct cretula_attr){
		.name = xstrdup(name),
		.value = copy,
		.len = len,
	};
}

void modlist_str(struct modlist *l, const char *name, const char *value)
{
	modlist_add(l, name, value, strlen(value));
}

void modlist_fill(struct modlist *l, ...)
{
	va_list ap;
	const char *name;

	va_start(ap, l);
	while ((name = va_arg(ap, const char *)))
		modlist_str(l, name, va_arg(ap, const char *));
	va_end(ap);
}

void modlist_clear(struct modlist *l)
{
	for (size_t i = 0; i < l->count; i++) {
		free((void *)(uintptr_t)l->item[i].name);
		free((void *)(uintptr_t)l->item[i].value);
	}
	l->count = 0;
}

static enum cretula_result add(struct cretula_call *c, const char *name,
			       const void *value, size_t len)
{
	return attrs_add(&c->out, name, 0, value, len) == OK
		       ? CRETULA_OK
		       : CRETULA_TOO_LARGE;
}

static enum cretula_result fail(struct cretula_call *c,
				enum cretula_result result, const char *fmt,
				...) PRINTF(3, 4);

static enum cretula_result fail(struct cretula_call *c,
				enum cretula_result result, const char *fmt,
				...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->text, sizeof c->text, fmt, ap);
	va_end(ap);
	return result;
}

static int64_t now(const struct cretula_call *c)
{
	return c->now;
}

static const struct cretula_host host = {
	.abi = CRETULA_MODULE_ABI,
	.reply = add,
	.fact = add,
	.fail = fail,
	.now = now,
};

static struct cretula_call *begin(struct modhost *h)
{
	attrs_clear(&h->call.out);
	h->call.text[0] = 0;
	return &h->call;
}

void modhost_load(struct modhost *h, const char *file)
{
	const struct cretula_module *(*get)(void);
	void *sym;

	*h = (struct modhost){ .dl = dlopen(file, RTLD_NOW | RTLD_LOCAL) };
	sym = h->dl ? dlsym(h->dl, "cretula_module") : NULL;
	if (!sym) {
		fprintf(stderr, "cannot load module: %s\n", dlerror());
		exit(1);
	}
	memcpy(&get, &sym, sizeof get);
	h->m = get();
	ENSURE(h->m->abi == CRETULA_MODULE_ABI);
	attrs_init(&h->call.out);
	h->call.now = 1440938160; /* 2015-08-30T12:36:00Z */
}

void modhost_load_named(struct modhost *h, const char *name)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
	char *slash;

	ENSURE(n > 0);
	path[n] = 0;
	for (int up = 0; up < 2; up++) {
		slash = strrchr(path, '/');
		ENSURE(slash);
		*slash = 0;
	}
	snprintf(path + strlen(path), sizeof path - strlen(path),
		 "/modules/%s.so", name);
	modhost_load(h, path);
}

static void close_state(struct modhost *h)
{
	if (h->state)
		h->m->close(h->state);
	h->state = NULL;
}

void modhost_close(struct modhost *h)
{
	close_state(h);
	attrs_wipe(&h->call.out);
	/* Not dlclose: leak checkers want to name what was leaked. */
}

static struct cretula_attrs list_of(const struct modlist *l)
{
	return (struct cretula_attrs){ .item = l->item, .count = l->count };
}

enum cretula_result modhost_open(struct modhost *h, const struct modlist *c)
{
	struct cretula_attrs a = list_of(c);

	close_state(h);
	return h->m->open(&host, begin(h), &a, &h->state);
}

enum cretula_result modhost_check(struct modhost *h, const struct modlist *c)
{
	struct cretula_attrs a = list_of(c);

	begin(h);
	return h->m->check ? h->m->check(&host, &h->call, &a) : CRETULA_OK;
}

enum cretula_result modhost_run(struct modhost *h, const char *op,
				const struct modlist *request)
{
	struct cretula_attrs a = list_of(request);
	void *session = NULL;

	return h->m->run(&host, begin(h), h->state, op, &a, &session);
}

enum cretula_result modhost_facts(struct modhost *h, const char *op,
				  const struct modlist *request)
{
	struct cretula_attrs a = list_of(request);

	return h->m->facts(&host, begin(h), op, &a);
}

const char *modhost_get(const struct modhost *h, const char *name, unsigned n)
{
	static char text[ATTR_VALUE_MAX + 1];
	struct attr_view it = attrs_view(&h->call.out);
	struct attr a;

	while (attr_next(&it, &a)) {
		if (!attr_named(&a, name) || n--)
			continue;
		memcpy(text, a.value, a.len);
		text[a.len] = 0;
		return text;
	}
	return NULL;
}
