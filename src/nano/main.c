/*
 * hiclaw-nano: a minimal agent runtime.  Options, wiring, exit status.
 *
 * As the only process of a container it is process 1: it ends on SIGTERM at
 * once, because what it has begun goes on after the next start, and it reaps
 * what others leave behind.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>

#include <event2/event.h>

#include "hiclaw/log.h"
#include "hiclaw/secure.h"

#include "matrix.h"
#include "prompt.h"

#define LOOK_S	1	/* for a home that is not there yet */

static const char usage_text[] =
    "Usage: hiclaw-nano [--home DIR] [--check] [--debug]\n"
    "An agent: hears who may speak to it in Matrix, asks a model, answers.\n\n"
    "  --home DIR  where openclaw.json and SOUL.md are (default $HOME)\n"
    "  --check     say what it would do, and end; 0 when it could be done\n"
    "  --debug     say more on standard error\n"
    "  --help, --version\n";

struct options {
	const char	*home;
	bool		 check;
};

/* --- --check -------------------------------------------------------------- */

static void
print_names(const char *what, enum rule rule, const struct strv *names)
{
	char	*all = strv_join(names, ", ");

	printf("%-14s %s\n", what, rule == RULE_OPEN ? "anybody" :
	    rule == RULE_NOBODY || names->n == 0 ? "nobody" : all);
	free(all);
}

static int
check(struct home *h)
{
	char	*text, *token;

	if (!home_refresh(h, true)) {
		fprintf(stderr, "hiclaw-nano: %s/openclaw.json: %s\n", h->dir,
		    h->complaint);
		return EX_CONFIG;
	}
	printf("%-14s %s\n", "home", h->dir);
	printf("%-14s %s at %s\n", "account", h->user, h->homeserver);
	print_names("in rooms", h->group_rule, &h->group);
	print_names("directly", h->dm_rule, &h->dm);
	if (h->model == NULL)
		printf("%-14s none\n", "model");
	else
		printf("%-14s %s at %s, %s\n", "model", h->model, h->base_url,
		    h->key == NULL ? "without a key" : "with a key");
	text = prompt_system(h);
	printf("%-14s %zu bytes\n", "prompt", strlen(text));
	free(text);
	token = home_api_token(h);
	if (h->controller != NULL && h->name != NULL)
		printf("%-14s %s %s at %s, %s\n", "ready",
		    h->is_manager ? "manager" : "worker", h->name,
		    h->controller, token == NULL ? "without a token" :
		    "with a token");
	else
		printf("%-14s nobody is told\n", "ready");
	secret_free(token);
	return EX_OK;
}

/* --- running -------------------------------------------------------------- */

static void
on_end(evutil_socket_t fd, short what, void *arg)
{
	event_base_loopbreak(arg);
}

static void
on_child(evutil_socket_t fd, short what, void *arg)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

/* Wait until there is a home to live in. */
static void
on_look(evutil_socket_t fd, short what, void *arg)
{
	struct nano	*n = arg;
	struct timeval	 tv = { .tv_sec = LOOK_S };

	if (home_refresh(n->home, false))
		n->sync = sync_new(n);
	else
		event_base_once(n->base, -1, EV_TIMEOUT, on_look, n, &tv);
}

static int
run(struct home *h)
{
	struct nano	 n = { .home = h };
	struct event	*ends[3];
	struct timeval	 at_once = { 0 };
	struct err	 e;
	char		*boot;

	n.state = state_open(h->dir, &e);
	if (n.state == NULL) {
		log_error("main", "%s", e.msg);
		return e.kind == ERR_CONFLICT ? EX_TEMPFAIL : EX_CANTCREAT;
	}
	n.base = event_base_new();
	if (n.base == NULL)
		return EX_OSERR;
	boot = rand_hex(4);
	str_copy(n.boot, boot, sizeof(n.boot));
	free(boot);
	n.http = http_new(n.base);
	n.rooms = map_new(free);
	ends[0] = evsignal_new(n.base, SIGTERM, on_end, n.base);
	ends[1] = evsignal_new(n.base, SIGINT, on_end, n.base);
	ends[2] = evsignal_new(n.base, SIGCHLD, on_child, NULL);
	for (size_t i = 0; i < NELEM(ends); i++)
		evsignal_add(ends[i], NULL);
	event_base_once(n.base, -1, EV_TIMEOUT, on_look, &n, &at_once);
	event_base_dispatch(n.base);

	log_info("main", "ending; what is open goes on after the next start");
	answers_free(&n);
	beat_free(&n);
	sync_free(n.sync);
	matrix_free(&n);
	http_free(n.http);
	map_free(n.rooms);
	for (size_t i = 0; i < NELEM(ends); i++)
		event_free(ends[i]);
	event_base_free(n.base);
	state_close(n.state);
	return EX_OK;
}

static int
parse_options(int argc, char **argv, struct options *o)
{
	static const struct option names[] = {
		{ "home", required_argument, NULL, 'h' },
		{ "check", no_argument, NULL, 'c' },
		{ "debug", no_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'H' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1)
		switch (c) {
		case 'h': o->home = optarg; break;
		case 'c': o->check = true; break;
		case 'd': log_set_level(LOG_LVL_DEBUG); break;
		case 'H':
			fputs(usage_text, stdout);
			exit(EX_OK);
		case 'V':
			puts("hiclaw-nano " PACKAGE_VERSION);
			exit(EX_OK);
		default:
			fputs(usage_text, stderr);
			return -1;
		}
	if (optind == argc)
		return 0;
	fputs(usage_text, stderr);
	return -1;
}

int
main(int argc, char **argv)
{
	struct options	 o = { 0 };
	struct home	*h;
	int		 rc;

	if (parse_options(argc, argv, &o) != 0)
		return EX_USAGE;
	signal(SIGPIPE, SIG_IGN);
	http_prepare();
	h = home_new(o.home);
	rc = o.check ? check(h) : run(h);
	home_free(h);
	return rc;
}
