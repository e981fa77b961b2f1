/*
 * hiclaw join: an agent that this machine runs for a controller elsewhere.
 *
 *   join    the one-time code becomes a home and a token
 *   keep    the command runs in it, and is kept company: keep.c
 *
 * What we know is in the home (home.h), so that after a crash of any of us the
 * same command line without a code goes on.
 */
#include "join.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "hiclaw/secure.h"

#define EVERY_S		60	/* reports count for three of these */
#define EVERY_MIN_S	1
#define EVERY_MAX_S	120

static const char usage_text[] =
"Usage: hiclaw join URL CODE --home DIR [-- COMMAND [ARGUMENT...]]\n"
"       hiclaw join --home DIR [-- COMMAND [ARGUMENT...]]\n"
"\n"
"Run an agent on this machine for the controller at URL. The code comes from the\n"
"controller's bot (\"join AGENT\") and works once.\n"
"\n"
"The agent's files are written below DIR. With a COMMAND it is started there with\n"
"the agent's environment and kept company: it is reported as ready, its files are\n"
"kept as they should be, and it is started anew when it must read them again; it\n"
"is ended while the agent is to sleep.\n"
"Signals are passed on, and the exit status is the command's. Without a code an\n"
"agent that was joined before goes on.\n"
"\n"
"      --home DIR       of this agent alone; made if it is not there\n"
"      --every SECONDS  between reports (60)\n"
"  -h, --help\n"
"\n"
"Examples\n"
"  hiclaw join http://gateway.example.org:29302 CODE --home ~/carl \\\n"
"      -- hermes gateway run\n"
"  hiclaw join --home ~/carl -- hermes gateway run\n"
"\n"
"Exit status besides the command's: 64 usage, 69 the controller does not answer,\n"
"73 the home cannot be written, 77 the code or the token is not good (any more),\n"
"126 or 127 the command cannot be started.\n";

struct options {
	const char	*url, *code, *home;
	int		 every_s;
	char		**command;	/* or NULL */
};

struct joining {
	const struct options *o;
	struct home	 home;
	bool		 was_away;	/* the controller, at the last call */
};

/* --- words ---------------------------------------------------------------- */

/* The command has the standard output; ours is the other one. */
void
join_say(const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	fprintf(stderr, "hiclaw join: %s\n", text);
	free(text);
}

static int
exit_of(const struct err *e)
{
	switch (e->kind) {
	case ERR_USER: return EX_USAGE;
	case ERR_DENIED: return EX_NOPERM;
	case ERR_RETRY: return EX_UNAVAILABLE;
	case ERR_CONFLICT: return EX_CANTCREAT;
	default: return EX_CANTCREAT;
	}
}

/* --- calls ---------------------------------------------------------------- */

int
join_call(const char *base, const char *path, const char *token, const char *body,
    int timeout_ms, struct http_res *res, struct err *e)
{
	char *url = xasprintf("%s/api/v1/%s", base, path);
	char *auth = xasprintf("Authorization: Bearer %s", token != NULL ?
	    token : "");
	const char *headers[] = { token != NULL ? auth : NULL, NULL };
	struct http_req req = { .method = "POST", .url = url,
	    .headers = headers, .body = body, .body_len = strlen(body),
	    .timeout_ms = timeout_ms };
	int rc = http_call(&req, res, e);

	free(url);
	secret_free(auth);
	return rc;
}

/* What the controller says that is wrong. */
int
join_refused(const struct http_res *res, struct err *e)
{
	struct err why;
	struct json *o = json_parse(buf_str(&res->body), res->body.len, &why);
	const char *text = json_str(o, "message");
	enum err_kind kind = ERR_RETRY;

	if (res->status == 401 || res->status == 403 || res->status == 410)
		kind = ERR_DENIED;
	else if (res->status == 409)
		kind = ERR_CONFLICT;
	err_set(e, kind, "the controller answers %d%s%.200s", res->status,
	    text != NULL ? ": " : "", text != NULL ? text : "");
	json_free(o);
	return -1;
}

void
join_wipe(struct http_res *res)
{
	secret_wipe(res->body.data, res->body.len);
	http_res_release(res);
}

/* {"have", "running"} */
char *
join_report_body(const struct json *state, bool is_running)
{
	struct json *o = json_object();
	char *text;

	json_set_str(o, "have", json_strd(state, "digest", ""));
	json_set_bool(o, "running", is_running);
	text = json_canonical(o);
	json_free(o);
	return text;
}

/* --- taking over what the controller gives -------------------------------- */

void
join_set_token(struct home *h, const struct json *o)
{
	json_set_str(h->state, "token", json_str(o, "token"));
	json_set_int(h->state, "token_expires", json_int(o, "token_expires",
	    0));
}

int
join_answer(struct home *h, const struct http_res *res, struct home_news *n,
    struct err *e)
{
	struct json *o = json_parse(buf_str(&res->body), res->body.len, e);
	int rv = 0;

	if (o == NULL || !json_is(o, JSON_OBJECT)) {
		json_free(o);
		return err_set(e, ERR_RETRY, "the controller's answer is not "
		    "readable");
	}
	if (json_str(o, "token") != NULL) {
		join_set_token(h, o);
		json_set_str(h->state, "name", json_str(o, "name"));
		json_set_str(h->state, "digest", "");
		rv = home_save(h, e);
	}
	*n = (struct home_news){ 0 };
	if (rv == 0) {
		home_take(h, o, n);
		rv = home_save(h, e);
	}
	json_wipe(o);
	return rv;
}

void
join_say_failed(const struct home_news *n)
{
	if (n->failed > 0)
		join_say("%zu file%s could not be written: %s", n->failed,
		    n->failed == 1 ? "" : "s", n->why);
}

void
join_say_left_out(const struct http_res *res)
{
	struct err err;
	struct json *o = json_parse(buf_str(&res->body), res->body.len, &err);
	const struct json *v = json_first(json_get(o, "left_out"));

	for (; v != NULL; v = json_next(v))
		join_say("left out, too big: %s", json_value_str(v));
	json_wipe(o);
}

/* --- join ----------------------------------------------------------------- */

static int
join(struct joining *k, struct err *e)
{
	struct home *h = &k->home;
	struct json *o = json_object();
	struct http_res res = { 0 };
	struct home_news n;
	char *body;
	int rv;

	json_set_str(o, "code", k->o->code);
	json_set_str(o, "name", json_str(h->state, "name"));
	body = json_canonical(o);
	json_wipe(o);
	rv = join_call(k->o->url, "join", NULL, body, JOIN_CALL_MS, &res, e);
	secret_free(body);
	if (rv == 0 && res.status != 200)
		rv = join_refused(&res, e);
	if (rv == 0) {
		json_set_str(h->state, "url", k->o->url);
		rv = join_answer(h, &res, &n, e);
	}
	if (rv == 0) {
		join_say("%s (%s) lives in %s: %zu files written, %zu as they "
		    "were", json_strd(h->state, "name", "?"),
		    json_strd(h->state, "user", "?"), h->dir, n.written,
		    n.kept);
		join_say_failed(&n);
		join_say_left_out(&res);
	}
	join_wipe(&res);
	return rv;
}

/* What has changed while nobody was here; an absent controller is no reason not
 * to start. */
static int
catch_up(struct joining *k, struct err *e)
{
	struct home *h = &k->home;
	struct http_res res = { 0 };
	struct home_news n;
	char *body = join_report_body(h->state, false);
	int rv;

	rv = join_call(json_strd(h->state, "url", ""), "home",
	    json_str(h->state, "token"), body, JOIN_CALL_MS, &res, e);
	if (rv == 0 && res.status == 200) {
		rv = join_answer(h, &res, &n, e);
		if (rv == 0)
			join_say("%zu files written, %zu removed", n.written,
			    n.removed);
		if (rv == 0)
			join_say_failed(&n);
	} else if (rv == 0 && res.status != 204)
		rv = join_refused(&res, e);
	if (rv == -1 && e->kind == ERR_RETRY &&
	    json_strd(h->state, "digest", "")[0] != '\0') {
		join_say("%s; going on with what is here", e->msg);
		k->was_away = true;
		rv = 0;
	}
	free(body);
	join_wipe(&res);
	return rv;
}

/* --- the command line ------------------------------------------------------ */

static int
bad_usage(const char *what)
{
	fprintf(stderr, "hiclaw join: %s\nTry: hiclaw join --help\n", what);
	return EX_USAGE;
}

/* -1: go on; else the exit status. */
static int
read_options(int argc, char **argv, struct options *o)
{
	int i, words = 0;

	*o = (struct options){ .every_s = EVERY_S };
	for (i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "-h") == 0 ||
		    strcmp(argv[i], "--help") == 0) {
			fputs(usage_text, stdout);
			return EX_OK;
		}
		if (strcmp(argv[i], "--home") == 0 && i + 1 < argc)
			o->home = argv[++i];
		else if (str_starts(argv[i], "--home="))
			o->home = argv[i] + strlen("--home=");
		else if (strcmp(argv[i], "--every") == 0 && i + 1 < argc)
			o->every_s = atoi(argv[++i]);
		else if (argv[i][0] == '-')
			return bad_usage("there is no such option");
		else if (words++ == 0)
			o->url = argv[i];
		else if (words == 2)
			o->code = argv[i];
		else
			return bad_usage("too many words; a command comes "
			    "after --");
	}
	if (i < argc && argv[i + 1] != NULL)
		o->command = argv + i + 1;
	if (o->home == NULL || o->home[0] == '\0')
		return bad_usage("--home DIR is missing");
	if (words == 1)
		return bad_usage("a URL and a code, or none of them");
	if (o->url != NULL && !str_starts(o->url, "http://") &&
	    !str_starts(o->url, "https://"))
		return bad_usage("the URL must begin with http:// or https://");
	if (o->every_s < EVERY_MIN_S || o->every_s > EVERY_MAX_S)
		return bad_usage("--every: 1 to 120 seconds");
	return -1;
}

/* "./run" is where we are, not in the home. */
static void
fix_command(struct options *o)
{
	char whole[PATH_MAX];

	if (o->command != NULL && o->command[0][0] != '/' &&
	    strchr(o->command[0], '/') != NULL &&
	    realpath(o->command[0], whole) != NULL)
		o->command[0] = xstrdup(whole);
}

static int
run(struct joining *k)
{
	struct err err;

	if (home_open(k->o->home, &k->home, &err) == -1)
		goto bad;
	if (k->o->code != NULL) {
		if (join(k, &err) == -1)
			goto bad;
	} else if (home_is_new(&k->home))
		return bad_usage("nothing was joined in this home: a URL and a "
		    "code are needed");
	else if (catch_up(k, &err) == -1)
		goto bad;
	if (k->o->command == NULL) {
		printf("%s is at home in %s. To run it:\n  hiclaw join --home "
		    "%s -- COMMAND\n", json_strd(k->home.state, "name", "?"),
		    k->home.dir, k->home.dir);
		return EX_OK;
	}
	return join_keep(&k->home, k->o->command, k->o->every_s, k->was_away);
bad:
	join_say("%s", err.msg);
	return exit_of(&err);
}

int
cli_join(int argc, char **argv)
{
	struct options o;
	struct joining k = { .o = &o, .home = { .fd = -1, .lock = -1 } };
	char *url = NULL;
	int rc = read_options(argc, argv, &o);

	if (rc != -1)
		return rc;
	if (o.url != NULL) {
		url = xstrdup(o.url);
		while (str_ends(url, "/"))
			url[strlen(url) - 1] = '\0';
		o.url = url;
	}
	signal(SIGPIPE, SIG_IGN);
	umask(077);
	fix_command(&o);
	rc = run(&k);
	home_release(&k.home);
	free(url);
	return rc;
}
