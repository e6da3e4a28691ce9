/* Asking certmgr for a new agent. Runs in who starts agents; holds nothing: the token
 * goes through a socket whose reading end is the agent's.
 *	parent -> certmgr	agent.spawn type= …, a socket [, the child's pidfd]
 *	certmgr -> parent	the token into that socket; agent= instance= */
#include "lib/client_agent.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The folder is where there is a file view. */
static enum cretula_err read_dir(struct attr_view v,
				 struct cretula_agent_ref *out,
				 struct cretula_error *err)
{
	struct attr dir;

	out->dir[0] = 0;
	if (!attr_find(v, "dir", &dir))
		return CRETULA_ERR_NONE;
	if (!dir.len || dir.len >= sizeof out->dir || dir.value[0] != '/' ||
	    memchr(dir.value, 0, dir.len))
		return client_fail(err, ERR_INTERNAL,
				   "certmgr's answer has no usable dir=");
	memcpy(out->dir, dir.value, dir.len);
	out->dir[dir.len] = 0;
	return CRETULA_ERR_NONE;
}

static enum cretula_err read_reply(const struct cretula_answer *answer,
				   struct cretula_agent_ref *out,
				   struct cretula_error *err)
{
	struct attr_view v = attrs_view(&answer->reply.a);
	struct attr agent, instance;
	struct fault f = { 0 };

	if (attr_only(v, "agent", &agent) != OK ||
	    attr_only(v, "instance", &instance) != OK ||
	    agent.len != AGENT_ID_LEN || instance.len != AGENT_INSTANCE_LEN)
		return client_fail(err, ERR_INTERNAL,
				   "certmgr has answered without agent and "
				   "instance");
	(void)snprintf(out->name, sizeof out->name, "%.*s:%.*s",
		       AGENT_INSTANCE_LEN, (const char *)instance.value,
		       AGENT_ID_LEN, (const char *)agent.value);
	if (agent_name_check(out->name, &f) != OK)
		return client_fail(err, ERR_INTERNAL,
				   "certmgr's answer is unreadable: %s",
				   f.text);
	return read_dir(v, out, err);
}

static enum cretula_err call(struct cretula *c, const char *type,
			     const struct cretula_list *options,
			     const int fd[2], size_t fds,
			     struct cretula_agent_ref *ref,
			     struct cretula_error *err)
{
	struct cretula_answer *answer = NULL;
	struct attrs args;
	enum cretula_err e;

	attrs_init(&args);
	if (attrs_add_str(&args, "type", type) != OK ||
	    (options && attrs_add_view(&args, attrs_view(&options->a)) != OK))
		e = client_fail(err, ERR_TOO_LARGE,
				"what is asked of the agent is too long");
	else
		e = client_call_fds(c, "agent.spawn", attrs_view(&args), fd,
				    fds, &answer, err);
	attrs_wipe(&args);
	if (!e)
		e = read_reply(answer, ref, err);
	cretula_answer_free(answer);
	return e;
}

enum cretula_err cretula_agent_spawn(struct cretula *c, const char *type,
				     const struct cretula_list *options,
				     int pidfd, struct cretula_agent_ref *out,
				     struct cretula_error *err)
{
	AUTO(fd_close) int ours = -1;
	AUTO(fd_close) int theirs = -1;
	struct cretula_agent_ref ref;
	enum cretula_err e;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return client_fail(err, ERR_UNAVAILABLE,
				   "no socket pair can be made for the token: "
				   "%s",
				   strerror(errno));
	ours = pair[0];
	theirs = pair[1];
	e = call(c, type, options, (const int[2]){ theirs, pidfd },
		 pidfd < 0 ? 1 : 2, &ref, err);
	if (e)
		return e;
	ref.token_fd = ours;
	ours = -1;
	*out = ref;
	return CRETULA_ERR_NONE;
}
