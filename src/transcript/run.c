/*
 * hiclaw transcript: options, files, the summary.
 */
#include "hiclaw/transcript.h"

#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hiclaw/clock.h"
#include "hiclaw/file.h"
#include "hiclaw/log.h"

#include "transcript-int.h"

#define USAGE_ERROR	2
#define TIMEOUT_MS	10000
#define TIMEOUT_REAL_MS	60000

static const char help[] =
"Usage: hiclaw transcript run [OPTION...] FILE...\n"
"       hiclaw transcript list FILE...\n"
"\n"
"Play chats written down in files to a real controller, in a directory of its\n"
"own on a homeserver in memory, and compare what the bot says.  Nothing of an\n"
"installation is touched.  hiclaw-transcript(5) has the language.\n"
"\n"
"Options\n"
"  -u, --update              write expectations anew, in the files\n"
"  -v, --verbose             show the chat as it goes\n"
"  -k, --keep                keep the directory, show the log\n"
"  -s, --set KEY=VALUE       a setting of the controller\n"
"      --timeout SECONDS     for one answer (10)\n"
"      --controller PATH     the program (beside this one)\n"
"      --homeserver URL      a real one instead, for one file, with\n"
"      --registration FILE   what it loaded, and\n"
"      --shared-secret TEXT  its registration_shared_secret\n"
"      --domain NAME         its name (hiclaw.localhost)\n"
"\n"
"Examples\n"
"  hiclaw transcript run --update greet.txt     with this in greet.txt:\n"
"\n"
"    person: @alice admin\n"
"    room: admin\n"
"    @alice> !hiclaw get workers\n"
"\n"
"  hiclaw transcript run --verbose greet.txt\n";

enum { OPT_TIMEOUT = 256, OPT_CONTROLLER, OPT_HOMESERVER, OPT_REGISTRATION,
    OPT_SECRET, OPT_DOMAIN };
static const struct option long_options[] = {
	{ "update", no_argument, NULL, 'u' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "keep", no_argument, NULL, 'k' },
	{ "set", required_argument, NULL, 's' },
	{ "list", no_argument, NULL, 'l' },
	{ "help", no_argument, NULL, 'h' },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "controller", required_argument, NULL, OPT_CONTROLLER },
	{ "homeserver", required_argument, NULL, OPT_HOMESERVER },
	{ "registration", required_argument, NULL, OPT_REGISTRATION },
	{ "shared-secret", required_argument, NULL, OPT_SECRET },
	{ "domain", required_argument, NULL, OPT_DOMAIN },
	{ NULL, 0, NULL, 0 }
};

static int
usage(const char *why)
{
	fprintf(stderr, "hiclaw: %s\nTry: hiclaw transcript --help\n", why);
	return USAGE_ERROR;
}

/* Beside the program that runs now, else as it is found; yours. */
static char *
beside(const char *name)
{
	char self[PATH_MAX], *slash, *path;
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	if (n <= 0)
		return xasprintf("/usr/bin/%s", name);
	self[n] = '\0';
	if ((slash = strrchr(self, '/')) != NULL)
		*slash = '\0';
	path = xasprintf("%s/%s", self, name);
	return path;
}

/* The first comment of each file: what it is about. */
static int
list(char **files)
{
	struct err e;
	int rc = 0;

	for (; *files != NULL; files++) {
		char *text = file_read(*files, SCRIPT_BYTES_MAX, &e);
		const char *s = text;

		if (text == NULL) {
			fprintf(stderr, "hiclaw: %s\n", e.msg);
			rc = 1;
			continue;
		}
		s += *s == '#' ? strspn(s, "# ") : strlen(s);
		printf("%-40s %.*s\n", *files, (int)strcspn(s, "\n"), s);
		free(text);
	}
	return rc;
}

static int
run_files(char **files, const struct play_options *o)
{
	int passed = 0, failed = 0;

	for (; *files != NULL; files++) {
		int64_t begin = clock_mono_ms();

		if (o->verbose)
			printf("# %s\n", *files);
		if (play_file(*files, o) == 0) {
			passed++;
			printf("ok %s (%.1f s)\n", *files, (double)
			    (clock_mono_ms() - begin) / 1000);
		} else {
			failed++;
			printf("FAILED %s\n", *files);
		}
		fflush(stdout);
	}
	printf("%d passed, %d failed\n", passed, failed);
	return failed > 0;
}

static int
check(const struct play_options *o, char **files)
{
	if (*files == NULL)
		return usage("which file?");
	if (o->stage.homeserver == NULL)
		return 0;
	if (o->stage.registration == NULL || o->stage.shared_secret == NULL)
		return usage("--homeserver needs --registration and "
		    "--shared-secret");
	/* Rooms and people of one file would be in the way of the next. */
	if (files[1] != NULL)
		return usage("one file at a time on a real homeserver");
	return 0;
}

static int
take_option(int c, struct play_options *o)
{
	struct stage_options *s = &o->stage;

	switch (c) {
	case 'u': o->update = true; return 0;
	case 'v': o->verbose = true; return 0;
	case 'k': s->keep = true; return 0;
	case 's': strv_add(&s->settings, optarg); return 0;
	case OPT_CONTROLLER: s->controller = optarg; return 0;
	case OPT_HOMESERVER: s->homeserver = optarg; return 0;
	case OPT_REGISTRATION: s->registration = optarg; return 0;
	case OPT_SECRET: s->shared_secret = optarg; return 0;
	case OPT_DOMAIN: s->domain = optarg; return 0;
	case OPT_TIMEOUT:
		s->timeout_ms = (int)(strtod(optarg, NULL) * 1000);
		return s->timeout_ms > 0 && s->timeout_ms < 3600000 ? 0 : -1;
	default: return -1;
	}
}

int
transcript_main(int argc, char **argv)
{
	struct play_options o = { .stage.domain = "hiclaw.localhost" };
	char *controller = beside("hiclaw-controller"), *given = NULL;
	bool only_list = false;
	int c, rc = 0;

	o.stage.controller = controller;
	signal(SIGPIPE, SIG_IGN);
	log_set_level(LOG_LVL_ERROR);
	opterr = 1;
	while (rc == 0 && (c = getopt_long(argc, argv, "uvks:lh",
	    long_options, NULL)) != -1) {
		if (c == 'h') {
			fputs(help, stdout);
			goto out;
		}
		only_list |= c == 'l';
		if (c != 'l' && take_option(c, &o) == -1)
			rc = usage("that is no option, or no value for it");
	}
	argv += optind;
	if (rc == 0 && *argv != NULL && strcmp(*argv, "list") == 0)
		only_list = true;
	else if (rc == 0 && (*argv == NULL || strcmp(*argv, "run") != 0))
		rc = usage("transcript what? run or list");
	/* The controller runs in a directory of its own. */
	if (rc == 0 && o.stage.controller != controller) {
		given = realpath(o.stage.controller, NULL);
		if (given == NULL)
			rc = usage("there is no such controller");
		o.stage.controller = given;
	}
	if (o.stage.timeout_ms == 0)
		o.stage.timeout_ms = o.stage.homeserver != NULL ?
		    TIMEOUT_REAL_MS : TIMEOUT_MS;
	if (rc == 0)
		rc = check(&o, argv + 1);
	if (rc == 0)
		rc = only_list ? list(argv + 1) : run_files(argv + 1, &o);
out:
	strv_release(&o.stage.settings);
	free(controller);
	free(given);
	return rc;
}
