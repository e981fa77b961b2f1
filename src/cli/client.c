/* Calls of the controller, and its refusals in words with what to do. */
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/file.h"
#include "hiclaw/http.h"

#define DEFAULT_URL	"http://localhost:8090"
#define TOKEN_MAX	4096

static int
read_token(struct cli *c)
{
	const char *token = getenv("HICLAW_AUTH_TOKEN");
	const char *path = getenv("HICLAW_AUTH_TOKEN_FILE");
	char text[TOKEN_MAX];
	size_t n;
	FILE *f;

	if (token != NULL && token[0] != '\0') {
		c->token = xstrdup(token);
		return 0;
	}
	if (path == NULL || path[0] == '\0')
		return 0;
	if ((f = fopen(path, "re")) == NULL) {
		fprintf(stderr, "hiclaw: the token cannot be read from %s "
		    "(HICLAW_AUTH_TOKEN_FILE)\n", path);
		return -1;
	}
	n = fread(text, 1, sizeof text - 1, f);
	fclose(f);
	text[n] = '\0';
	text[strcspn(text, " \t\r\n")] = '\0';
	c->token = xstrdup(text);
	return 0;
}

int
client_open(struct cli *c)
{
	const char *url = getenv("HICLAW_CONTROLLER_URL");
	size_t n;

	free(c->url);
	free(c->token);
	c->token = NULL;
	c->url = xstrdup(url != NULL && url[0] != '\0' ? url : DEFAULT_URL);
	for (n = strlen(c->url); n > 0 && c->url[n - 1] == '/'; n--)
		c->url[n - 1] = '\0';
	return read_token(c);
}

void
call(struct cli *c, const char *method, const char *path, struct json *body,
    struct answer *a)
{
	char *url = xasprintf("%s/api/v1/%s", c->url, path);
	char *text = body != NULL ? json_canonical(body) : NULL;
	struct http_req req = { .method = method, .url = url,
	    .bearer = c->token, .body = text,
	    .body_len = text != NULL ? strlen(text) : 0,
	    .timeout_ms = CALL_MS };
	struct http_res res = { 0 };
	struct err err;

	memset(a, 0, sizeof *a);
	if (http_call(&req, &res, &a->err) == 0) {
		a->status = res.status;
		if (res.body.len > 0)
			a->json = json_parse_relayed(res.body.data,
			    res.body.len, &err);
		http_res_release(&res);
	}
	json_free(body);
	free(text);
	free(url);
}

void
answer_release(struct answer *a)
{
	json_free(a->json);
	memset(a, 0, sizeof *a);
}

bool
answer_ok(const struct answer *a)
{
	return a->status >= 200 && a->status < 300;
}

static void
hint(const struct cli *c, int status)
{
	if (status == 401 && c->token == NULL)
		fputs("Set HICLAW_AUTH_TOKEN, or HICLAW_AUTH_TOKEN_FILE to a "
		    "file with the token.\n", stderr);
	else if (status == 401)
		fputs("Is the token in HICLAW_AUTH_TOKEN (or the file) that "
		    "of this controller?\n", stderr);
	else if (status == 503)
		fputs("Try again in a moment.\n", stderr);
}

int
answer_fail(struct cli *c, const struct answer *a)
{
	const struct json *p = json_first(json_get(a->json, "problems"));
	const char *message = json_str(a->json, "message");

	progress_end(c);
	if (a->status == 0) {
		fail("the controller does not answer: %s", a->err.msg);
		fprintf(stderr, "Is it running at %s?  HICLAW_CONTROLLER_URL "
		    "says where.\n", c->url);
		return FAILED;
	}
	if (p != NULL && json_next(p) != NULL) {
		fail("%zu problems:", json_size(json_get(a->json,
		    "problems")));
		for (; p != NULL; p = json_next(p))
			fprintf(stderr, "  %s%s%s\n", json_strd(p, "path",
			    ""), json_str(p, "path") != NULL ? ": " : "",
			    json_strd(p, "text", "?"));
	} else if (message != NULL)
		fail("%s", message);
	else
		fail("the answer is HTTP %d, and not one of a controller",
		    a->status);
	hint(c, a->status);
	return FAILED;
}

char *
path_of(const struct kind *k, const char *name, const char *action)
{
	char *escaped = http_escape(name);
	char *path = xasprintf("%s/%s%s%s", k->plural, escaped,
	    action != NULL ? "/" : "", action != NULL ? action : "");

	free(escaped);
	return path;
}
