/*
 * "Ready" to the controller: as soon as the first sync worked, then every
 * minute.  An agent whose homeserver does not answer hears nobody, and does not call
 * itself ready.  The token is read anew each time, because it is short-lived.
 */
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "hiclaw/clock.h"
#include "hiclaw/log.h"
#include "hiclaw/secure.h"

#include "matrix.h"

#define BEAT_S		60
#define BEAT_BODY	"{\"every\":60}"	/* when the next one is due */
#define AGAIN_S		2	/* after a failure; then twice that */
#define DEAF_MS		(3 * 60 * 1000)	/* without a sync for so long */
#define QUIET_S		20

struct beat {
	struct nano		*n;
	struct event		*timer;
	struct http_call	*call;
	char			*url;
	int			 failed;	/* times in a row */
	bool			 was_ready;
};

static void
beat_in(struct beat *b, int seconds)
{
	struct timeval	tv = { .tv_sec = seconds };

	evtimer_add(b->timer, &tv);
}

static void
fail(struct beat *b, const char *why, int status)
{
	int	s = AGAIN_S;

	for (int i = 0; i < b->failed && s < BEAT_S; i++)
		s *= 2;
	if (b->failed++ == 0 || b->failed % 10 == 0)
		log_warn("beat", "the controller was not told that we are "
		    "ready: %s (%d)", why, status);
	beat_in(b, s > BEAT_S ? BEAT_S : s);
}

static void
on_told(void *arg, const struct http_reply *r)
{
	struct beat	*b = arg;

	b->call = NULL;
	if (r->status / 100 != 2) {
		fail(b, r->status == 0 ? r->why : r->status == 401 ?
		    "it does not accept our token" : "it refuses", r->status);
		return;
	}
	if (!b->was_ready || b->failed > 0)
		log_info("beat", "told the controller that we are ready");
	b->was_ready = true;
	b->failed = 0;
	beat_in(b, BEAT_S);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct beat	*b = arg;
	char		*token;

	if (clock_mono_ms() - sync_alive_ms(b->n->sync) > DEAF_MS) {
		fail(b, "we do not hear the homeserver", 0);
		return;
	}
	token = home_api_token(b->n->home);
	b->call = http_start(b->n->http, &(struct http_ask){
	    .method = "POST", .url = b->url, .bearer = token, .body = BEAT_BODY,
	    .max_bytes = 4096, .quiet_s = QUIET_S, .done = on_told, .arg = b });
	secret_free(token);
}

void
beat_start(struct nano *n)
{
	const struct home *h = n->home;
	struct beat	*b;
	char		*name;

	if (h->controller == NULL || h->name == NULL) {
		log_info("beat", "no controller is told that we are ready");
		return;
	}
	b = n->beat = xcalloc(1, sizeof(*b));
	name = url_encode(h->name);
	b->n = n;
	b->url = xasprintf("%s/api/v1/%s/%s/ready", h->controller,
	    h->is_manager ? "managers" : "workers", name);
	b->timer = evtimer_new(n->base, on_timer, b);
	free(name);
	beat_in(b, 0);
}

void
beat_free(struct nano *n)
{
	struct beat	*b = n->beat;

	if (b == NULL)
		return;
	http_cancel(b->call);
	event_free(b->timer);
	free(b->url);
	free(b);
	n->beat = NULL;
}
