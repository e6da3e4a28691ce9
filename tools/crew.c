/* Runs in cretula; holds nothing. */
#include "tools/crew.h"

#include "lib/base.h"

#include <pthread.h>
#include <stdlib.h>

struct crew {
	const struct crew_job *job;
	pthread_mutex_t turn; /* who has it takes the next, and begins it */
	size_t next;
	pthread_mutex_t lock; /* for what follows */
	pthread_cond_t changed;
	bool *worked;
};

/* One more; false: none is left. */
static bool crew_step(struct crew *crew)
{
	const struct crew_job *job = crew->job;
	size_t i;

	ENSURE(!pthread_mutex_lock(&crew->turn));
	i = crew->next;
	if (i < job->count) {
		crew->next++;
		if (job->begin)
			job->begin(job->arg, i);
	}
	ENSURE(!pthread_mutex_unlock(&crew->turn));
	if (i >= job->count)
		return false;
	job->work(job->arg, i);
	ENSURE(!pthread_mutex_lock(&crew->lock));
	crew->worked[i] = true;
	ENSURE(!pthread_cond_signal(&crew->changed));
	ENSURE(!pthread_mutex_unlock(&crew->lock));
	return true;
}

static void *crew_member(void *arg)
{
	while (crew_step(arg))
		;
	return NULL;
}

static void wait_for(struct crew *crew, size_t i)
{
	ENSURE(!pthread_mutex_lock(&crew->lock));
	while (!crew->worked[i])
		ENSURE(!pthread_cond_wait(&crew->changed, &crew->lock));
	ENSURE(!pthread_mutex_unlock(&crew->lock));
}

void crew_run(const struct crew_job *job)
{
	struct crew crew = {
		.job = job,
		.turn = PTHREAD_MUTEX_INITIALIZER,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER,
		.worked = xcalloc(job->count + 1, sizeof *crew.worked),
	};
	pthread_t member[CREW_MAX];
	size_t members = 0;

	while (members < MIN(job->count, CREW_MAX) &&
	       !pthread_create(&member[members], NULL, crew_member, &crew))
		members++;
	if (!members) /* there may be no threads: one after the other */
		(void)crew_member(&crew);
	for (size_t i = 0; i < job->count; i++) {
		wait_for(&crew, i);
		if (job->done)
			job->done(job->arg, i);
	}
	for (size_t i = 0; i < members; i++)
		ENSURE(!pthread_join(member[i], NULL));
	free(crew.worked);
}
