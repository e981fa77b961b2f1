/* get, describe, delete: resources as the controller shows them. */
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/http.h"

enum format { FORMAT_TABLE, FORMAT_WIDE, FORMAT_JSON, FORMAT_YAML,
    FORMAT_NAME };

/* -1: that was no format, and it was said. */
static int
read_format(struct cli *c, enum format *f)
{
	static const char *const words[] = { "table", "wide", "json", "yaml",
		"name", NULL };
	const char *near;

	*f = FORMAT_TABLE;
	if (c->output == NULL)
		return 0;
	for (size_t i = 0; words[i] != NULL; i++)
		if (strcmp(words[i], c->output) == 0) {
			*f = (enum format)i;
			return 0;
		}
	near = str_nearest(c->output, words);
	if (near != NULL)
		usage_error(c, "-o %s is not known; did you mean %s?",
		    c->output, near);
	else
		usage_error(c, "-o %s is not known; it is json, yaml, name or "
		    "wide", c->output);
	return -1;
}

void
print_json(const struct json *v)
{
	char *text = json_pretty(v);

	puts(text);
	free(text);
}

/* --- one row, one detail ------------------------------------------------- */

/* How a value stands in a table; in `buf` when it is no string. */
static const char *
cell(const struct json *o, const char *key, char *buf, size_t size)
{
	const struct json *v = json_get(o, key);

	if (json_is(v, JSON_STRING))
		return json_value_str(v);
	if (json_is(v, JSON_NUMBER))
		snprintf(buf, size, "%lld", (long long)json_value_int(v, 0));
	else if (json_is(v, JSON_BOOL))
		snprintf(buf, size, "%s", json_value_bool(v, false) ? "true" :
		    "false");
	else
		return NULL;
	return buf;
}

/* "wim,wanda" of a list; yours, or NULL. */
static char *
joined(const struct json *list, const char *sep)
{
	struct strv names = { 0 };
	const struct json *v = json_first(list);
	char *text;

	for (; v != NULL; v = json_next(v))
		if (json_value_str(v) != NULL)
			strv_add(&names, json_value_str(v));
	text = names.n > 0 ? strv_join(&names, sep) : NULL;
	strv_release(&names);
	return text;
}

static char *
ready_of(const struct json *team)
{
	return xasprintf("%lld/%lld", (long long)json_int(team,
	    "readyWorkers", 0), (long long)json_int(team, "totalWorkers", 0));
}

/* One row per kind: which keys make its columns, its detail. */
static const struct look {
	const char	*kind;
	const char	*heads[10], *keys[10];
	size_t		 narrow;	/* columns without -o wide */
	/* "Name=name", in order; "!" in front: a list */
	const char	*detail[16];
} looks[] = {
	{ "Worker",
	    { "NAME", "PHASE", "MODEL", "TEAM", "RUNTIME", "STATE",
		"CONTAINER", "MATRIX-ID", "MESSAGE", NULL },
	    { "name", "phase", "model", "team", "runtime", "state",
		"containerState", "matrixUserID", "message", NULL }, 5,
	    { "Name=name", "Phase=phase", "State=state", "Model=model",
		"Runtime=runtime", "ContainerState=containerState",
		"LastHeartbeat=lastHeartbeat", "Image=image", "Team=team",
		"Role=role", "MatrixUserID=matrixUserID", "RoomID=roomID",
		"Message=message", NULL } },
	{ "Team",
	    { "NAME", "PHASE", "LEADER", "WORKERS", "READY", "ROOM",
		"MESSAGE", NULL },
	    { "name", "phase", "leaderName", "!workerNames", "/ready",
		"teamRoomID", "message", NULL }, 5,
	    { "Name=name", "TeamName=teamName", "Phase=phase",
		"Description=description", "Leader=leaderName",
		"LeaderHeartbeat=/heartbeat",
		"WorkerIdleTimeout=workerIdleTimeout",
		"LeaderReady=leaderReady", "Workers=!workerNames",
		"ReadyWorkers=/ready", "TeamRoomID=teamRoomID",
		"LeaderDMRoomID=leaderDMRoomID", "Message=message", NULL } },
	{ "Human",
	    { "NAME", "PHASE", "DISPLAY-NAME", "MATRIX-ID", "LEVEL",
		"MESSAGE", NULL },
	    { "name", "phase", "displayName", "matrixUserID",
		"permissionLevel", "message", NULL }, 4,
	    { "Name=name", "Phase=phase", "DisplayName=displayName",
		"Level=permissionLevel", "MatrixUserID=matrixUserID",
		"Rooms=!rooms", "Message=message", NULL } },
	{ "Manager",
	    { "NAME", "PHASE", "MODEL", "RUNTIME", "STATE", "CONTAINER",
		"MATRIX-ID", "MESSAGE", NULL },
	    { "name", "phase", "model", "runtime", "state",
		"containerState", "matrixUserID", "message", NULL }, 4,
	    { "Name=name", "Phase=phase", "State=state", "Model=model",
		"Runtime=runtime", "ContainerState=containerState",
		"LastHeartbeat=lastHeartbeat", "Image=image",
		"MatrixUserID=matrixUserID", "RoomID=roomID",
		"WelcomeSent=welcomeSent", "Message=message", NULL } },
};

static const struct look *
look_of(const struct kind *k)
{
	for (size_t i = 0; i < NELEM(looks); i++)
		if (strcmp(looks[i].kind, k->name) == 0)
			return &looks[i];
	return NULL;
}

/* The text of a key of a look; yours, or NULL. */
static char *
text_of(const struct json *o, const char *key)
{
	const struct json *beat = json_get(o, "leaderHeartbeat");
	char buf[32];

	if (key[0] == '!')
		return joined(json_get(o, key + 1), ",");
	if (strcmp(key, "/ready") == 0)
		return ready_of(o);
	if (strcmp(key, "/heartbeat") == 0)
		return beat == NULL ? NULL : xstrdup(json_strd(beat, "every",
		    json_bool(beat, "enabled", false) ? "enabled" :
		    "disabled"));
	return xstrdup(cell(o, key, buf, sizeof buf));
}

static void
add_row(struct table *t, const struct look *look, size_t columns,
    const struct json *o)
{
	char *cells[10];

	for (size_t i = 0; i < columns; i++)
		cells[i] = text_of(o, look->keys[i]);
	table_row(t, (const char *const *)cells);
	for (size_t i = 0; i < columns; i++)
		free(cells[i]);
}

static void
show_table(struct cli *c, const struct kind *k, const struct json *list,
    bool is_wide)
{
	const struct look *look = look_of(k);
	const char *heads[11];
	const struct json *v = json_first(list);
	struct table *t;
	size_t n = 0;

	if (v == NULL) {
		printf("No %s found.\n", k->plural);
		return;
	}
	while (look->heads[n] != NULL && (is_wide || n < look->narrow)) {
		heads[n] = look->heads[n];
		n++;
	}
	heads[n] = NULL;
	t = table_new(heads);
	for (; v != NULL; v = json_next(v))
		add_row(t, look, n, v);
	table_print(c, t);
}

void
show_detail(struct cli *c, const struct kind *k, const struct json *o)
{
	const struct look *look = look_of(k);
	struct details *d = details_new();

	for (size_t i = 0; look->detail[i] != NULL; i++) {
		const char *eq = strchr(look->detail[i], '=');
		char *key = xstrndup(look->detail[i],
		    (size_t)(eq - look->detail[i]));
		char *text = text_of(o, eq + 1);

		details_add(d, key, text);
		free(text);
		free(key);
	}
	details_print(c, d);
}

/* --- get ----------------------------------------------------------------- */

/* As it was declared, for an editor and apply. */
static int
print_declared(struct cli *c, const struct kind *k, const char *name)
{
	char *path = path_of(k, name, NULL);
	char *full = xasprintf("%s?spec=1", path), *text;
	struct answer a;
	int rc = DONE;

	call(c, "GET", full, NULL, &a);
	if (!answer_ok(&a))
		rc = answer_fail(c, &a);
	else {
		text = json_yaml(a.json);
		printf("---\n%s", text);
		free(text);
	}
	answer_release(&a);
	free(full);
	free(path);
	return rc;
}

static int
get_one(struct cli *c, const struct kind *k, const char *name,
    enum format format)
{
	char *path;
	struct answer a;
	int rc = DONE;

	if (format == FORMAT_YAML)
		return print_declared(c, k, name);
	path = path_of(k, name, NULL);
	call(c, "GET", path, NULL, &a);
	if (!answer_ok(&a))
		rc = answer_fail(c, &a);
	else if (format == FORMAT_JSON)
		print_json(a.json);
	else if (format == FORMAT_NAME)
		printf("%s/%s\n", k->singular, json_strd(a.json, "name",
		    name));
	else if (format == FORMAT_WIDE) {
		struct json *list = json_array();

		json_push(list, json_copy(a.json));
		show_table(c, k, list, true);
		json_free(list);
	} else
		show_detail(c, k, a.json);
	answer_release(&a);
	free(path);
	return rc;
}

static char *
list_path(struct cli *c, const struct kind *k)
{
	char *team, *path;

	if (c->team == NULL)
		return xstrdup(k->plural);
	team = http_escape(c->team);
	path = xasprintf("%s?team=%s", k->plural, team);
	free(team);
	return path;
}

static int
show_list(struct cli *c, const struct kind *k, const struct json *o,
    enum format format)
{
	const struct json *list = json_get(o, k->plural), *v;
	int rc = DONE;

	if (format == FORMAT_JSON)
		print_json(o);
	else if (format == FORMAT_TABLE || format == FORMAT_WIDE)
		show_table(c, k, list, format == FORMAT_WIDE);
	else
		for (v = json_first(list); v != NULL && rc == DONE;
		    v = json_next(v)) {
			if (format == FORMAT_NAME)
				printf("%s/%s\n", k->singular,
				    json_strd(v, "name", "?"));
			/* A member is part of its Team's document. */
			else if (json_str(v, "team") == NULL ||
			    c->team != NULL)
				rc = print_declared(c, k, json_strd(v, "name",
				    "?"));
		}
	return rc;
}

static int
get_list(struct cli *c, const struct kind *k, enum format format)
{
	char *path = list_path(c, k);
	struct answer a;
	int rc;

	call(c, "GET", path, NULL, &a);
	rc = answer_ok(&a) ? show_list(c, k, a.json, format) :
	    answer_fail(c, &a);
	answer_release(&a);
	free(path);
	return rc;
}

/* All kinds: each a table of its own, or one object of them all. */
static int
get_all(struct cli *c, enum format format)
{
	struct json *all = json_object();
	int rc = DONE;

	for (const struct kind *k = kinds; k->name != NULL && rc == DONE;
	    k++) {
		struct answer a;

		if (format != FORMAT_JSON) {
			if (k > kinds && format != FORMAT_NAME &&
			    format != FORMAT_YAML)
				putchar('\n');
			rc = get_list(c, k, format);
			continue;
		}
		call(c, "GET", k->plural, NULL, &a);
		if (answer_ok(&a))
			json_set(all, k->plural, json_copy(json_get(a.json,
			    k->plural)));
		else
			rc = answer_fail(c, &a);
		answer_release(&a);
	}
	if (rc == DONE && format == FORMAT_JSON)
		print_json(all);
	json_free(all);
	return rc;
}

/* "worker/alice" is "worker alice". */
static const char *
split_name(struct cli *c, char **kind)
{
	const char *slash = strchr(c->args[0], '/');

	*kind = slash != NULL ? xstrndup(c->args[0],
	    (size_t)(slash - c->args[0])) : xstrdup(c->args[0]);
	if (slash != NULL)
		return slash + 1;
	return c->args_n > 1 ? c->args[1] : NULL;
}

int
cmd_get(struct cli *c)
{
	const struct kind *k;
	enum format format;
	const char *name;
	char *word;
	int rc = USAGE;

	if (read_format(c, &format) == -1)
		return USAGE;
	name = split_name(c, &word);
	if (strcmp(word, "all") == 0 && name == NULL)
		rc = get_all(c, format);
	else if ((k = need_kind(c, word)) != NULL)
		rc = name != NULL ? get_one(c, k, name, format) :
		    get_list(c, k, format);
	free(word);
	return rc;
}

/* --- describe ------------------------------------------------------------ */

static void
print_spec(const struct json *o)
{
	const struct json *spec = json_get(o, "spec");
	char *text = json_yaml(spec), *line, *end;

	printf("Declared:\n");
	for (line = text; *line != '\0'; line = end + 1) {
		if ((end = strchr(line, '\n')) == NULL)
			break;
		printf("  %.*s\n", (int)(end - line), line);
	}
	free(text);
}

int
cmd_describe(struct cli *c)
{
	const struct kind *k = need_kind(c, c->args[0]);
	const char *name = c->args[1];
	char *path, *full;
	struct answer a;
	bool is_agent;
	int rc;

	if (k == NULL)
		return USAGE;
	is_agent = strcmp(k->name, "Worker") == 0 ||
	    strcmp(k->name, "Manager") == 0;
	path = path_of(k, name, is_agent ? "status" : NULL);
	call(c, "GET", path, NULL, &a);
	rc = answer_ok(&a) ? DONE : answer_fail(c, &a);
	if (rc == DONE)
		show_detail(c, k, a.json);
	answer_release(&a);
	free(path);
	if (rc != DONE)
		return rc;
	path = path_of(k, name, NULL);
	full = xasprintf("%s?spec=1", path);
	call(c, "GET", full, NULL, &a);
	if (answer_ok(&a))
		print_spec(a.json);
	else
		rc = answer_fail(c, &a);
	answer_release(&a);
	free(full);
	free(path);
	return rc;
}

/* --- delete -------------------------------------------------------------- */

int
cmd_delete(struct cli *c)
{
	const struct kind *k = need_kind(c, c->args[0]);
	int rc = DONE;

	if (k == NULL)
		return USAGE;
	if (!confirm(c, "Delete %zu %s (%s%s) with all that belongs to it?",
	    c->args_n - 1, c->args_n == 2 ? k->singular : k->plural,
	    c->args[1], c->args_n > 2 ? ", ..." : "")) {
		fputs("Nothing was deleted.\n", stderr);
		return USAGE;
	}
	for (size_t i = 1; i < c->args_n; i++) {
		char *path = path_of(k, c->args[i], NULL);
		struct answer a;

		call(c, "DELETE", path, NULL, &a);
		if (answer_ok(&a))
			printf("%s/%s deleted\n", k->singular, c->args[i]);
		else
			rc = answer_fail(c, &a);
		answer_release(&a);
		free(path);
	}
	return rc;
}
