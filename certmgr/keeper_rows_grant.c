/* Keeper: grants on their way to the store: one of them a transaction. */
#include "certmgr/keeper_rows.h"

#include <stdlib.h>

/* A grant being put or dropped; the only change that somebody waits for. */
struct grant_change {
	uint64_t row;
	uint8_t *text; /* owned; NULL: dropped */
	size_t len;
	void (*then)(void *arg, const struct fault *why);
	void *arg;
	bool flying;
	struct grant_change *next;
};

static struct grant_change *grants;

void rows_grant(uint64_t row, struct attr_view text,
		void (*then)(void *arg, const struct fault *why), void *arg)
{
	struct grant_change *g = xcalloc(1, sizeof *g), **at = &grants;

	g->row = row;
	if (text.len) {
		g->text = xmemdup(text.p, text.len);
		g->len = text.len;
	}
	g->then = then;
	g->arg = arg;
	while (*at)
		at = &(*at)->next;
	*at = g;
	rows_soon();
}

bool grants_wait(void)
{
	return grants;
}

void grants_put(struct attrs *msg)
{
	struct grant_change *g = grants;

	g->flying = true;
	if (g->text)
		ENSURE(rows_put(msg, ROW_GRANT, g->row, "",
				(struct attr_view){ g->text, g->len }) == OK);
	else
		ENSURE(rows_drop(msg, ROW_GRANT, g->row) == OK);
}

void grants_over(const struct fault *why)
{
	struct grant_change *g = grants;

	if (!g || !g->flying)
		return;
	grants = g->next;
	g->then(g->arg, why);
	free(g->text);
	free(g);
}
