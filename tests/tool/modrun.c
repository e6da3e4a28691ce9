/* Tests only: runs a module's calls from standard input, many in one process.
 *
 *	modrun MODULE.so [--bench N]
 *
 * A line is words with blanks between, values in hex:
 *	now SECONDS
 *	credential NAME=HEX …
 *	check NAME=HEX …		(a credential)
 *	facts OPERATION NAME=HEX …
 *	run OPERATION NAME=HEX …
 * and each but `now` is answered by one line:
 *	ok NAME=HEX …
 *	error RESULT HEX		(the sentence)
 * With --bench every facts and run is done N times and the answer is
 *	ns NANOSECONDS			(of one) */
#include "lib/enc.h"
#include "lib/num.h"
#include "tests/tool/modhost.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const result_name[] = {
	[CRETULA_OK] = "ok",
	[CRETULA_INVALID] = "invalid",
	[CRETULA_EXPIRED] = "expired",
	[CRETULA_UNSUPPORTED] = "unsupported",
	[CRETULA_TOO_LARGE] = "too_large",
	[CRETULA_FAILED] = "module_failed",
	[CRETULA_MORE] = "more",
};

static uint64_t bench;

static void print_hex(const void *p, size_t n)
{
	char *text = xcalloc(2 * n + 1, 1);

	enc_hex(p, n, text);
	fputs(text, stdout);
	free(text);
}

static void answer(const struct modhost *h, enum cretula_result r)
{
	struct attr_view it = attrs_view(&h->call.out);
	struct attr a;

	if (r != CRETULA_OK) {
		printf("error %s ", result_name[r]);
		print_hex(h->call.text, strlen(h->call.text));
	} else {
		fputs("ok", stdout);
		while (attr_next(&it, &a)) {
			printf(" %.*s=", a.name_len, a.name);
			print_hex(a.value, a.len);
		}
	}
	putchar('\n');
}

/* The attributes in the rest of a line. False if they cannot be read. */
static bool words(char **rest, struct modlist *l)
{
	char *word;

	while ((word = strtok_r(NULL, " \n", rest))) {
		char *eq = strchr(word, '=');
		size_t n = eq ? strlen(eq + 1) / 2 : 0;
		uint8_t *value = xcalloc(1, n + 1);
		bool ok = eq &&
			  enc_hex_parse(eq + 1, strlen(eq + 1), value, n) == OK;

		if (ok) {
			*eq = 0;
			modlist_add(l, word, value, n);
		}
		free(value);
		if (!ok)
			return false;
	}
	return true;
}

static enum cretula_result call_once(struct modhost *h, bool facts,
				     const char *op, const struct modlist *l)
{
	return facts ? modhost_facts(h, op, l) : modhost_run(h, op, l);
}

static void call(struct modhost *h, bool facts, const char *op,
		 const struct modlist *l)
{
	struct timespec a, b;
	double ns;
	enum cretula_result r = call_once(h, facts, op, l);

	if (!bench || r != CRETULA_OK) {
		answer(h, r);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (uint64_t i = 0; i < bench; i++)
		r = call_once(h, facts, op, l);
	clock_gettime(CLOCK_MONOTONIC, &b);
	ns = (double)(b.tv_sec - a.tv_sec) * 1e9 +
	     (double)(b.tv_nsec - a.tv_nsec);
	printf("ns %.0f\n", ns / (double)bench);
}

static bool number(const char *s, uint64_t *v)
{
	return num_u64(s, strlen(s), INT64_MAX, v) == OK;
}

static bool line(struct modhost *h, char *text, struct modlist *l)
{
	char *rest = NULL, *verb = strtok_r(text, " \n", &rest);
	bool facts = verb && !strcmp(verb, "facts");
	uint64_t v;

	if (!verb)
		return true;
	if (!strcmp(verb, "now")) {
		char *n = strtok_r(NULL, " \n", &rest);

		if (!n || !number(n, &v))
			return false;
		h->call.now = (int64_t)v;
		return true;
	}
	if (facts || !strcmp(verb, "run")) {
		char *op = strtok_r(NULL, " \n", &rest);

		if (!op || !words(&rest, l) || (!facts && !h->state))
			return false;
		call(h, facts, op, l);
		return true;
	}
	if (!words(&rest, l))
		return false;
	if (!strcmp(verb, "credential"))
		answer(h, modhost_open(h, l));
	else if (!strcmp(verb, "check"))
		answer(h, modhost_check(h, l));
	else
		return false;
	return true;
}

int main(int argc, char **argv)
{
	static struct modlist l;
	struct modhost h;
	char *text = NULL;
	size_t cap = 0;

	if (argc != 2 && !(argc == 4 && !strcmp(argv[2], "--bench"))) {
		fprintf(stderr, "usage: modrun MODULE.so [--bench N]\n");
		return 2;
	}
	if (argc == 4 && !number(argv[3], &bench))
		return 2;
	modhost_load(&h, argv[1]);
	while (getline(&text, &cap, stdin) > 0) {
		modlist_clear(&l);
		if (!line(&h, text, &l)) {
			fprintf(stderr, "a line cannot be read\n");
			return 2;
		}
		fflush(stdout);
	}
	free(text);
	modlist_clear(&l);
	modhost_close(&h);
	return 0;
}
