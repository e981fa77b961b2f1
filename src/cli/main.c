/*
 * hiclaw: talks to a controller's REST API for people and scripts.  One row per
 * verb; help, usage and which options it takes come from the row.
 */
#include "cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hiclaw/transcript.h"

#include "join.h"

#define KINDS	"workers, teams, humans, managers"

const struct verb verbs[] = {
	{ "apply", "-f FILE", "make what the manifests declare", "Several "
	    "documents change together or not at all.  Waits until all of it "
	    "is ready.\nOn a terminal it asks before something is deleted.",
	    "hiclaw apply -f team.yaml\n"
	    "cat *.yaml | hiclaw apply -f - --no-wait\n"
	    "hiclaw apply -f all.yaml --prune -l app=shop",
	    "fdwWtypl", 0, 0, cmd_apply, NULL },
	{ "plan", "-f FILE", "show what apply would change", NULL,
	    "hiclaw plan -f team.yaml", "fopl", 0, 0, cmd_plan, NULL },
	{ "get", "KIND [NAME]", "list resources, or show one", "Kinds: "
	    KINDS " (or singular, or short), or all.  -o is json, yaml, name "
	    "or wide.",
	    "hiclaw get workers\nhiclaw get workers --team frontend -o wide\n"
	    "hiclaw get team frontend -o yaml > team.yaml",
	    "oT", 1, 2, cmd_get, NULL },
	{ "describe", "KIND NAME", "show one with all that is declared", NULL,
	    "hiclaw describe worker alice", "", 2, 2, cmd_describe, NULL },
	{ "delete", "KIND NAME...", "delete with all it has", "On a terminal "
	    "it asks first.", "hiclaw delete worker alice bob\n"
	    "hiclaw delete team frontend -y", "y", 2, 1000, cmd_delete, NULL },
	{ "wake", "NAME...", "have an agent run", NULL, "hiclaw wake alice",
	    "nT", 0, 1000, cmd_wake, NULL },
	{ "sleep", "NAME...", "put an agent to sleep, keep its data", NULL,
	    "hiclaw sleep alice bob", "nT", 0, 1000, cmd_sleep, NULL },
	{ "ensure-ready", "NAME...", "wake an agent unless it runs", NULL,
	    "hiclaw ensure-ready alice --wait", "nTwt", 0, 1000,
	    cmd_ensure_ready, NULL },
	{ "restart", "NAME...", "start an agent's container anew", NULL,
	    "hiclaw restart alice", "n", 0, 1000, cmd_restart, NULL },
	{ "logs", "NAME", "the last lines that an agent's container wrote",
	    NULL, "hiclaw logs alice --tail 20", "nL", 0, 1, cmd_logs, NULL },
	{ "join", "[URL CODE] --home DIR [-- COMMAND]", "run an agent here, "
	    "for a controller elsewhere", NULL, "", "", 0, 0, NULL, cli_join },
	{ "transcript", "run FILE...", "test what a bot says and who may "
	    "do what", NULL, "", "", 0, 0, NULL, transcript_main },
	{ "status", "", "how the controller is", NULL, "hiclaw status -o json",
	    "o", 0, 0, cmd_status, NULL },
	{ "version", "", "of this command and of the controller", NULL,
	    "hiclaw version", "o", 0, 0, cmd_version, NULL },
	/* as the original has them */
	{ "worker wake", "--name NAME", "as wake", NULL,
	    "hiclaw worker wake --name alice", "nT", 0, 1, cmd_wake, NULL },
	{ "worker sleep", "--name NAME", "as sleep", NULL,
	    "hiclaw worker sleep --name alice", "nT", 0, 1, cmd_sleep, NULL },
	{ "worker ensure-ready", "--name NAME", "as ensure-ready", NULL,
	    "hiclaw worker ensure-ready --name alice", "nTwt", 0, 1,
	    cmd_ensure_ready, NULL },
	{ "worker status", "--name NAME | --team TEAM", "how agents fare",
	    NULL, "hiclaw worker status --name alice\n"
	    "hiclaw worker status --team frontend", "nTo", 0, 1,
	    cmd_worker_status, NULL },
	{ "worker report-ready", "[--name NAME]", "say that an agent is ready",
	    "For agents: the name comes from HICLAW_WORKER_CR_NAME, "
	    "HICLAW_WORKER_NAME or\nHICLAW_MANAGER_NAME.  With --heartbeat it "
	    "goes on, once a minute.",
	    "hiclaw worker report-ready --heartbeat --interval 60s", "nHi", 0,
	    1, cmd_report_ready, NULL },
	{ NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, NULL, NULL }
};

/* --- options ------------------------------------------------------------- */

/* The letter is that of verb.options; `is_short` ones work as -x too. */
static const struct option_row {
	char		 letter;
	const char	*name;
	const char	*value;		/* of it, or NULL: a switch */
	bool		 is_short;
	const char	*help;
} option_rows[] = {
	{ 'f', "filename", "FILE", true, "a manifest; - is standard input" },
	{ 'o', "output", "FORMAT", true, "json, yaml, name or wide" },
	{ 'd', "dry-run", NULL, false, "only show what would change" },
	{ 'w', "wait", NULL, false, "wait until it is ready or failed" },
	{ 'W', "no-wait", NULL, false, "do not wait until it is ready" },
	{ 't', "timeout", "TIME", false, "how long to wait (3m)" },
	{ 'y', "yes", NULL, true, "ask nothing" },
	{ 'p', "prune", NULL, false, "delete what the manifests lack" },
	{ 'l', "selector", "LABELS", true, "among what --prune may delete" },
	{ 'T', "team", "TEAM", false, "only of this team" },
	{ 'n', "name", "NAME", false, "the agent's name" },
	{ 'L', "tail", "LINES", false, "how many lines (100)" },
	{ 'H', "heartbeat", NULL, false, "go on reporting" },
	{ 'i', "interval", "TIME", false, "between two reports (60s)" },
};

static void
print_option(FILE *to, const struct option_row *o)
{
	char text[64];

	snprintf(text, sizeof text, "%c%c%s--%s%s%s", o->is_short ? '-' : ' ',
	    o->is_short ? o->letter : ' ', o->is_short ? ", " : "  ",
	    o->name, o->value != NULL ? " " : "",
	    o->value != NULL ? o->value : "");
	fprintf(to, "  %-26s %s\n", text, o->help);
}

static void
print_help(const struct verb *v)
{
	const char *line = v->examples;
	size_t n;

	printf("Usage: hiclaw %s%s%s%s\n\n%s.\n", v->name,
	    v->usage[0] != '\0' ? " " : "", v->usage,
	    v->options[0] != '\0' ? " [OPTION...]" : "", v->help);
	if (v->more != NULL)
		printf("%s\n", v->more);
	if (v->options[0] != '\0')
		printf("\nOptions\n");
	for (size_t i = 0; i < NELEM(option_rows); i++)
		if (strchr(v->options, option_rows[i].letter) != NULL)
			print_option(stdout, &option_rows[i]);
	printf("\nExamples\n");
	for (; *line != '\0'; line += n + (line[n] == '\n')) {
		n = strcspn(line, "\n");
		printf("  %.*s\n", (int)n, line);
	}
}

static void
print_verbs(void)
{
	printf("Usage: hiclaw VERB [ARGUMENT...] [OPTION...]\n\n");
	for (const struct verb *v = verbs; v->name != NULL; v++)
		printf("  %-20s %s\n", v->name, v->help);
	printf("\nhiclaw VERB --help tells more.\n\n"
	    "HICLAW_CONTROLLER_URL says where the controller is (now %s);\n"
	    "HICLAW_AUTH_TOKEN, or the file HICLAW_AUTH_TOKEN_FILE, who you "
	    "are.\n", getenv("HICLAW_CONTROLLER_URL") != NULL ?
	    getenv("HICLAW_CONTROLLER_URL") : "http://localhost:8090");
}

int
fail(const char *fmt, ...)
{
	va_list ap;

	fputs("hiclaw: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return FAILED;
}

int
usage_error(struct cli *c, const char *fmt, ...)
{
	va_list ap;

	fputs("hiclaw: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	if (c->verb != NULL)
		fprintf(stderr, "\nUsage: hiclaw %s %s\nTry: hiclaw %s "
		    "--help\n", c->verb->name, c->verb->usage, c->verb->name);
	else
		fputs("\nTry: hiclaw --help\n", stderr);
	return USAGE;
}

/* "90", "90s", "3m", "1h" to seconds; -1: no time. */
static int64_t
read_seconds(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);
	int64_t unit = strcmp(end, "m") == 0 ? 60 :
	    strcmp(end, "h") == 0 ? 3600 :
	    *end == '\0' || strcmp(end, "s") == 0 ? 1 : 0;

	return end == text || n < 0 || n > 1000000 || unit == 0 ? -1 :
	    n * unit;
}

static int
take_value(struct cli *c, const struct option_row *o, const char *value)
{
	int64_t *number = NULL;

	switch (o->letter) {
	case 'f':
		c->files = xreallocarray(c->files, c->files_n + 1,
		    sizeof *c->files);
		c->files[c->files_n++] = value;
		return DONE;
	case 'o': c->output = value; return DONE;
	case 'T': c->team = value; return DONE;
	case 'n': c->name = value; return DONE;
	case 'l': c->selector = value; return DONE;
	case 'L':
		c->tail = read_seconds(value);
		if (c->tail < 1 || strspn(value, "0123456789") !=
		    strlen(value))
			return usage_error(c, "--tail %s is no number",
			    value);
		return DONE;
	case 't': number = &c->timeout_s; break;
	case 'i': number = &c->interval_s; break;
	}
	if ((*number = read_seconds(value)) < 1)
		return usage_error(c, "--%s %s is no time; write 90s or 3m",
		    o->name, value);
	if (o->letter == 'i')
		c->heartbeat = true;
	return DONE;
}

/* "--wait=false" turns a switch off. */
static int
take_switch(struct cli *c, const struct option_row *o, const char *value)
{
	bool on = true;

	if (value != NULL && strcmp(value, "false") == 0)
		on = false;
	else if (value != NULL && strcmp(value, "true") != 0)
		return usage_error(c, "--%s is true or false", o->name);
	switch (o->letter) {
	case 'd': c->dry_run = on; break;
	case 'w': c->wait = on; c->no_wait = !on; break;
	case 'W': c->no_wait = on; break;
	case 'y': c->yes = on; break;
	case 'p': c->prune = on; break;
	case 'H': c->heartbeat = on; break;
	}
	return DONE;
}

static const struct option_row *
find_option(struct cli *c, const char *arg, const char **value)
{
	static const char *names[NELEM(option_rows) + 2];
	const char *name = arg + 1 + (arg[1] == '-');
	size_t len = strcspn(name, "=");
	bool is_long = arg[1] == '-';
	char *word = xstrndup(name, len);
	const char *near;
	size_t n = 0;

	*value = name[len] == '=' ? name + len + 1 : NULL;
	for (size_t i = 0; i < NELEM(option_rows); i++) {
		const struct option_row *o = &option_rows[i];

		if (strchr(c->verb->options, o->letter) == NULL)
			continue;
		names[n++] = o->name;
		if (is_long ? strcmp(o->name, word) != 0 : !o->is_short ||
		    name[0] != o->letter)
			continue;
		/* "-ojson" */
		if (!is_long)
			*value = name[1] == '\0' ? NULL : name + 1 +
			    (name[1] == '=');
		free(word);
		return o;
	}
	/* What the original calls some of them. */
	if (strcmp(word, "wait-timeout") == 0 || strcmp(word, "file") == 0) {
		for (size_t i = 0; i < NELEM(option_rows); i++)
			if (option_rows[i].letter == (word[0] == 'w' ? 't' :
			    'f') && strchr(c->verb->options,
			    option_rows[i].letter) != NULL) {
				free(word);
				return &option_rows[i];
			}
	}
	names[n++] = "help";
	names[n] = NULL;
	near = is_long ? str_nearest(word, names) : NULL;
	if (near != NULL)
		usage_error(c, "\"%s\" is no option of %s; did you mean "
		    "--%s?", arg, c->verb->name, near);
	else
		usage_error(c, "\"%s\" is no option of %s", arg,
		    c->verb->name);
	free(word);
	return NULL;
}

/* What follows the verb; DONE, USAGE, or -1: help was asked for. */
static int
read_args(struct cli *c, int argc, char **argv)
{
	const struct option_row *o;
	const char *value;
	bool only_args = false;
	int rc;

	c->args = xcalloc((size_t)argc + 1, sizeof *c->args);
	for (int i = 0; i < argc; i++) {
		if (only_args || argv[i][0] != '-' || argv[i][1] == '\0') {
			c->args[c->args_n++] = argv[i];
			continue;
		}
		if (strcmp(argv[i], "--") == 0) {
			only_args = true;
			continue;
		}
		if (strcmp(argv[i], "-h") == 0 ||
		    strcmp(argv[i], "--help") == 0)
			return -1;
		if ((o = find_option(c, argv[i], &value)) == NULL)
			return USAGE;
		if (o->value != NULL && value == NULL) {
			if (++i == argc)
				return usage_error(c, "--%s needs a value",
				    o->name);
			value = argv[i];
		}
		rc = o->value != NULL ? take_value(c, o, value) :
		    take_switch(c, o, value);
		if (rc != DONE)
			return rc;
	}
	if (c->args_n < c->verb->args_min)
		return usage_error(c, "something is missing");
	if (c->args_n > c->verb->args_max)
		return usage_error(c, "\"%s\" is too much",
		    c->args[c->verb->args_max]);
	return DONE;
}

/* --- verbs --------------------------------------------------------------- */

/* "worker wake" is two words. */
static const struct verb *
find_verb(int argc, char **argv, int *used)
{
	char two[64];

	if (argc > 2) {
		snprintf(two, sizeof two, "%s %s", argv[1], argv[2]);
		for (const struct verb *v = verbs; v->name != NULL; v++)
			if (strcmp(v->name, two) == 0) {
				*used = 3;
				return v;
			}
	}
	for (const struct verb *v = verbs; v->name != NULL; v++)
		if (strcmp(v->name, argv[1]) == 0) {
			*used = 2;
			return v;
		}
	return NULL;
}

static int
unknown_verb(struct cli *c, int argc, char **argv)
{
	static const char *names[NELEM(verbs)];
	const char *near, *word = argv[1];
	char two[64];
	size_t n = 0;

	if (strcmp(word, "worker") == 0) {
		if (argc == 2)
			return usage_error(c, "worker what? wake, sleep, "
			    "ensure-ready, status or report-ready");
		snprintf(two, sizeof two, "worker %s", argv[2]);
		word = two;
	}
	for (const struct verb *v = verbs; v->name != NULL; v++)
		names[n++] = v->name;
	near = str_nearest(word, names);
	if (near != NULL)
		return usage_error(c, "there is no verb \"%s\"; did you mean "
		    "\"%s\"?", word, near);
	return usage_error(c, "there is no verb \"%s\"", word);
}

const struct kind *
need_kind(struct cli *c, const char *word)
{
	const struct kind *k = kind_find(word);
	const char *near;

	if (k != NULL)
		return k;
	near = str_nearest(word, kind_words());
	if (near != NULL)
		usage_error(c, "there is no kind \"%s\"; did you mean %s?",
		    word, kind_find(near)->singular);
	else
		usage_error(c, "there is no kind \"%s\"; the kinds are "
		    KINDS, word);
	return NULL;
}

bool
confirm(struct cli *c, const char *fmt, ...)
{
	char line[16] = "";
	va_list ap;

	if (c->yes || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		return true;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs(" [y/N] ", stderr);
	if (fgets(line, sizeof line, stdin) == NULL)
		return false;
	return line[0] == 'y' || line[0] == 'Y';
}

static int
run(struct cli *c, int argc, char **argv)
{
	int used = 0, rc;

	if (argc < 2)
		return usage_error(c, "what shall I do?");
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    (strcmp(argv[1], "help") == 0 && argc == 2)) {
		print_verbs();
		return DONE;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		puts("hiclaw " PACKAGE_VERSION);
		return DONE;
	}
	if (strcmp(argv[1], "help") == 0) {
		argv++;
		argc--;
	}
	if ((c->verb = find_verb(argc, argv, &used)) == NULL)
		return unknown_verb(c, argc, argv);
	if (c->verb->main != NULL && strcmp(argv[0], "help") == 0)
		return c->verb->main(2, (char *[]){ argv[1], (char []){
		    "--help" }, NULL });
	if (c->verb->main != NULL)
		return c->verb->main(argc - 1, argv + 1);
	if (strcmp(argv[0], "help") == 0) {
		print_help(c->verb);
		return DONE;
	}
	rc = read_args(c, argc - used, argv + used);
	if (rc == -1) {
		print_help(c->verb);
		return DONE;
	}
	if (rc == DONE && client_open(c) == -1)
		rc = FAILED;
	return rc == DONE ? c->verb->run(c) : rc;
}

int
main(int argc, char **argv)
{
	static struct cli c = { .tail = 100, .timeout_s = WAIT_S,
	    .interval_s = 60 };
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");
	int rc;

	c.progress = isatty(STDERR_FILENO) && term != NULL &&
	    strcmp(term, "dumb") != 0;
	c.colors = isatty(STDOUT_FILENO) && term != NULL &&
	    strcmp(term, "dumb") != 0 &&
	    (no_color == NULL || no_color[0] == '\0');
	rc = run(&c, argc, argv);
	free(c.args);
	free(c.files);
	free(c.url);
	free(c.token);
	if (fflush(stdout) != 0 || ferror(stdout))
		return fail("the output could not be written");
	return rc;
}
