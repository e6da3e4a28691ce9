/* Cretula module ABI, version 1.
 *
 * A module is code for one provider mechanism (one .so file). It runs in a
 * worker process of its own that has no files, no network, no other process in
 * sight and exactly one credential; or, to state facts for policy, in one that has
 * no credential at all. It must be loadable, and usable, with nothing but memory:
 * everything it needs comes through this header, libc, libcrypto and libsodium.
 *
 * A module exports one symbol:
 *	const struct cretula_module *cretula_module(void);
 *
 * What it declares is read once, at install, and pinned with the file's hash.
 * Strings passed in either direction live as long as the call unless said otherwise.
 */
#ifndef CRETULA_MODULE_H
#define CRETULA_MODULE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CRETULA_MODULE_ABI 1

/* Errors a module can end a call with; the same closed set as everywhere. */
enum cretula_result {
	CRETULA_OK = 0,
	CRETULA_INVALID, /* the request is wrong: say what and how to mend it */
	CRETULA_EXPIRED, /* the credential itself is over */
	CRETULA_UNSUPPORTED, /* a thing this module does not do */
	CRETULA_TOO_LARGE, /* over a limit of the module, which the text names */
	CRETULA_FAILED, /* the module failed; the client gets module_failed */
	CRETULA_MORE,   /* of several steps: answered, and waits for the next */
};

/* One attribute. name is a C string; value is len bytes followed by a NUL that
 * is not counted. Names may repeat; order is kept. */
struct cretula_attr {
	const char *name;
	const unsigned char *value;
	size_t len;
};

struct cretula_attrs {
	const struct cretula_attr *item;
	size_t count;
};

/* What an attribute of a credential is. */
enum cretula_attr_kind {
	CRETULA_REQUIRED = 1,
	CRETULA_CONFIDENTIAL =
		2, /* sealed; never shown; withheld from replies */
	CRETULA_BINDING =
		4,        /* where the secret is sent: changes only with it */
	CRETULA_SENT = 8, /* confidential, but part of every signed request
				     by design (a session token): no tripwire */
};

struct cretula_attr_decl {
	const char *name;
	unsigned kind; /* of enum cretula_attr_kind */
	const char *help;
};

/* What an operation's reply gives away. */
enum cretula_reveal {
	CRETULA_REVEAL_SIGNATURE,
	CRETULA_REVEAL_BEARER, /* usable by whoever holds it: has a lifetime */
	CRETULA_REVEAL_TOKEN,
	CRETULA_REVEAL_SECRET,
};

struct cretula_operation_decl {
	const char *name;
	enum cretula_reveal reveals;
	const char *help;
};

struct cretula_call; /* the host's; passed back to its functions */

/* What the host does for a module. All of it is callable from any module
 * function that is given a call. */
struct cretula_host {
	unsigned abi;

	/* Adds name=value to the reply. Names: header ("Name: value" to add),
	 * query ("a=b&c=d" to append to the target), or the module's own.
	 * Returns CRETULA_OK or CRETULA_TOO_LARGE. */
	enum cretula_result (*reply)(struct cretula_call *call,
				     const char *name, const void *value,
				     size_t len);

	/* States a fact (only in `facts`): see docs/modules.md for the names that
	 * grants look at: service region action method host path query time
	 * lifetime normalises. A fact not stated is unknown and denies. */
	enum cretula_result (*fact)(struct cretula_call *call, const char *name,
				    const void *value, size_t len);

	/* Writes the sentence for the client (lower case, no full stop, never
	 * a secret) and returns result, for `return host->fail(call, …)`. */
	enum cretula_result (*fail)(struct cretula_call *call,
				    enum cretula_result result, const char *fmt,
				    ...) __attribute__((format(printf, 3, 4)));

	/* The time the vault gave this call, seconds since the epoch. */
	int64_t (*now)(const struct cretula_call *call);
};

struct cretula_module {
	unsigned abi; /* CRETULA_MODULE_ABI */
	const char *name;
	const char *summary;
	const struct cretula_attr_decl *attributes; /* ends with name NULL */
	const struct cretula_operation_decl
		*operations; /* ends with name NULL */
	/* Names of request attributes understood beyond those, NULL-ended; the
	 * host refuses a request with an attribute that is not among them. */
	const char *const *request;

	/* Checks a credential's attributes when it is added or rotated, in a
	 * worker of its own. NULL: nothing beyond REQUIRED. */
	enum cretula_result (*check)(const struct cretula_host *host,
				     struct cretula_call *call,
				     const struct cretula_attrs *credential);

	/* States the facts of a request, without any credential. NULL: the
	 * module has none. Must refuse what `run` would refuse for its form. */
	enum cretula_result (*facts)(const struct cretula_host *host,
				     struct cretula_call *call,
				     const char *operation,
				     const struct cretula_attrs *request);

	/* Takes the credential; *state is passed to run and close. */
	enum cretula_result (*open)(const struct cretula_host *host,
				    struct cretula_call *call,
				    const struct cretula_attrs *credential,
				    void **state);

	/* Does one step of an operation. *session is NULL at the first step; a
	 * module that returns CRETULA_MORE leaves there what the next step
	 * needs, and frees it when it returns anything else. */
	enum cretula_result (*run)(const struct cretula_host *host,
				   struct cretula_call *call, void *state,
				   const char *operation,
				   const struct cretula_attrs *request,
				   void **session);

	/* Frees a session whose client went away. NULL: sessions are not used. */
	void (*forget)(void *state, void *session);

	/* Wipes and frees the state. */
	void (*close)(void *state);
};

const struct cretula_module *cretula_module(void);

#ifdef __cplusplus
}
#endif

#endif
