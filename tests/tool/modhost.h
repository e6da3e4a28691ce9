/* Tests only: a host for one module in this process, without any sandbox. Loads the
 * .so, opens it with a credential, and collects what its calls say. */
#ifndef TESTS_MODHOST_H
#define TESTS_MODHOST_H

#include "include/cretula/module.h"
#include "lib/attr.h"

enum {
	MODHOST_ATTRS = 4096
};

/* A list for a module: the values are copies with a NUL after them. */
struct modlist {
	struct cretula_attr item[MODHOST_ATTRS];
	size_t count;
};

void modlist_add(struct modlist *l, const char *name, const void *value,
		 size_t len);
void modlist_str(struct modlist *l, const char *name, const char *value);
/* name, value, name, value, …, NULL */
void modlist_fill(struct modlist *l, ...);
void modlist_clear(struct modlist *l);

struct cretula_call {
	int64_t now;
	struct attrs out; /* replies or facts, in order */
	char text[FAULT_TEXT_MAX];
};

struct modhost {
	void *dl;
	const struct cretula_module *m;
	void *state;              /* NULL: no credential yet */
	struct cretula_call call; /* of the last call */
};

/* Loads `file`, or ../modules/NAME.so beside the running program's folder. Exits
 * with a sentence if it cannot. */
void modhost_load(struct modhost *h, const char *file);
void modhost_load_named(struct modhost *h, const char *name);
void modhost_close(struct modhost *h);

/* Each leaves its replies, facts or error text in h->call. */
enum cretula_result modhost_open(struct modhost *h, const struct modlist *c);
enum cretula_result modhost_check(struct modhost *h, const struct modlist *c);
enum cretula_result modhost_run(struct modhost *h, const char *op,
				const struct modlist *request);
enum cretula_result modhost_facts(struct modhost *h, const char *op,
				  const struct modlist *request);

/* The n-th value of that name of the last call, as a C string that lives until
 * the next call of this; NULL if there is none. */
const char *modhost_get(const struct modhost *h, const char *name, unsigned n);

#endif
