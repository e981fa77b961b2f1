/*
 * Questions of people that only an outside system can answer, on their way to a
 * provider's thread and back.
 */
#include "engine-int.h"

#include <stdlib.h>

struct query {
	struct job	 job;
	struct system	*system;
	struct json	*question, *answer;
	void		(*done)(void *, const struct json *,
			    const struct err *);
	void		*arg;
	struct err	 err;
	int		 rc;
};

static void
query_run(struct job *job)
{
	struct query *q = (struct query *)job;

	q->rc = q->system->provider->query(q->system->ctx, q->question,
	    &q->answer, &q->err);
}

static void
query_drop(struct job *job)
{
	struct query *q = (struct query *)job;

	json_free(q->question);
	json_free(q->answer);
	free(q);
}

static void
query_done(struct job *job)
{
	struct query *q = (struct query *)job;

	q->done(q->arg, q->rc == 0 ? q->answer : NULL, &q->err);
	query_drop(job);
}

int
engine_query(struct engine *e, const char *kind, const struct json *question,
    void (*done)(void *, const struct json *, const struct err *), void *arg,
    struct err *err)
{
	struct system *s = NULL;
	struct query *q;

	if (system_kind(e, kind, &s) == NULL || s->ctx == NULL ||
	    s->provider->query == NULL)
		return err_set(err, ERR_USER, "nothing that has a %s is "
		    "configured", kind);
	q = xcalloc(1, sizeof *q);
	q->job.run = query_run;
	q->job.done = query_done;
	q->job.drop = query_drop;
	q->system = s;
	q->question = json_copy(question);
	q->done = done;
	q->arg = arg;
	pool_submit(s->pool, &q->job);
	return 0;
}
