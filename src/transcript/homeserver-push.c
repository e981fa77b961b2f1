/*
 * Transactions to the controller: events in order, at most a hundred in one,
 * the same one again until it is answered 200, as the application service API
 * asks.  The call is made in the pool; one is under way at a time.
 */
#include "homeserver-int.h"

#include <stdlib.h>
#include <string.h>

#define PUSH_MS		10000	/* of one try */
#define WAIT_FIRST_MS	20
#define WAIT_MAX_MS	500

struct push {
	struct job	 job;
	struct homeserver *hs;
	char		*method, *url, *token, *body;
	size_t		 n;		/* events in it */
	int		 status;	/* 0: nobody there */
	struct hs_call	*ping;		/* who waits for it, or NULL */
};

static void
push_free(struct job *job)
{
	struct push *p = (struct push *)job;

	free(p->method);
	free(p->url);
	free(p->token);
	free(p->body);
	if (p->ping != NULL) {
		hs_refuse(p->ping, 502, "M_CONNECTION_FAILED", "going down");
		hs_answer(p->ping, 502);
	}
	free(p);
}

static void
push_run(struct job *job)
{
	struct push *p = (struct push *)job;
	struct http_req req = { .method = p->method, .url = p->url,
		.bearer = p->token, .body = p->body,
		.body_len = strlen(p->body), .timeout_ms = PUSH_MS };
	struct http_res res = { 0 };
	struct err e;

	if (http_call(&req, &res, &e) == 0)
		p->status = res.status;
	http_res_release(&res);
}

static struct push *
push_new(struct homeserver *hs, const char *method, const char *path,
    char *body)
{
	struct push *p = xcalloc(1, sizeof *p);

	p->hs = hs;
	p->method = xstrdup(method);
	p->url = xasprintf("%s%s", hs->push_url, path);
	p->token = xstrdup(hs->hs_token);
	p->body = body;
	p->job.run = push_run;
	p->job.drop = push_free;
	return p;
}

static void
push_done(struct job *job)
{
	struct push *p = (struct push *)job;
	struct homeserver *hs = p->hs;

	hs->pushing = false;
	if (p->status == 200) {
		hs->queue_n -= p->n;
		memmove(hs->queue, hs->queue + p->n,
		    hs->queue_n * sizeof(struct hs_event *));
		hs->txn++;
		hs->push_wait_ms = WAIT_FIRST_MS;
		hs_push_go(hs);
	} else {
		timer_arm(hs->push_timer, hs->push_wait_ms);
		hs->push_wait_ms *= 2;
		if (hs->push_wait_ms > WAIT_MAX_MS)
			hs->push_wait_ms = WAIT_MAX_MS;
	}
	push_free(job);
}

void
hs_push_go(void *arg)
{
	struct homeserver *hs = arg;
	struct json *body, *list;
	struct push *p;
	char *path;
	size_t n;

	if (hs->pushing || hs->queue_n == 0)
		return;
	n = hs->queue_n < PUSH_BATCH ? hs->queue_n : PUSH_BATCH;
	body = json_object();
	list = json_set(body, "events", json_array());
	for (size_t i = 0; i < n; i++)
		json_push(list, json_copy(hs->queue[i]->json));
	path = xasprintf("/_matrix/app/v1/transactions/t%lld",
	    (long long)hs->txn);
	p = push_new(hs, "PUT", path, json_canonical(body));
	p->n = n;
	p->job.done = push_done;
	hs->pushing = true;
	pool_submit(hs->pool, &p->job);
	json_free(body);
	free(path);
}

void
hs_push(struct homeserver *hs, struct hs_event *ev)
{
	if (hs->queue_n == hs->queue_cap) {
		hs->queue_cap = hs->queue_cap == 0 ? 64 : hs->queue_cap * 2;
		hs->queue = xreallocarray(hs->queue, hs->queue_cap,
		    sizeof(struct hs_event *));
	}
	hs->queue[hs->queue_n++] = ev;
	/* In the next turn, so that what belongs together goes together. */
	if (hs->queue_n == 1)
		timer_arm(hs->push_timer, 0);
}

/* --- ping ---------------------------------------------------------------- */

static void
ping_done(struct job *job)
{
	struct push *p = (struct push *)job;
	struct hs_call *c = p->ping;
	int status = 200;

	p->ping = NULL;
	if (p->status == 200) {
		c->answer = json_object();
		json_set_int(c->answer, "duration_ms", 1);
		/* It is there: what waits need not wait longer. */
		hs_push_go(p->hs);
	} else if (p->status == 0)
		status = hs_refuse(c, 502, "M_CONNECTION_FAILED",
		    "nobody listens there");
	else {
		status = hs_refuse(c, 502, "M_BAD_STATUS", "a wrong answer");
		json_set_int(c->answer, "status", p->status);
	}
	hs_answer(c, status);
	push_free(job);
}

int
hs_ping(struct hs_call *c)
{
	struct push *p = push_new(c->hs, "POST", "/_matrix/app/v1/ping",
	    c->body == NULL ? xstrdup("{}") : json_canonical(c->body));

	p->ping = c;
	p->job.done = ping_done;
	pool_submit(c->hs->pool, &p->job);
	return HS_LATER;
}
