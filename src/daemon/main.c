/*
 * hiclaw-controller: options, wiring, exit status.  Everything else is in the
 * library that this file and the tests link.
 */
#include "daemon.h"

#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "hiclaw/api.h"
#include "hiclaw/clock.h"
#include "hiclaw/fault.h"
#include "hiclaw/http.h"
#include "hiclaw/log.h"

#define ERRAND_THREADS	2	/* one long download must not hold up a sync */
#define POSTMEN		2	/* rooms are written to in parallel */
#define DRAIN_MS	10000	/* calls in flight may end in peace */
#define TICK_MS		1000	/* questions and passwords expire */

static const char usage_text[] =
"Usage: hiclaw-controller [--config FILE] [MODE]\n"
"\n"
"Brings a Matrix homeserver and what belongs to it to the state that people\n"
"declare in the admin room, and keeps it there.\n"
"\n"
"  -c, --config FILE        settings; without it only defaults and environment\n"
"\n"
"Modes (default: run in the foreground until SIGTERM)\n"
"      --check-config       check settings and registration, then exit\n"
"      --print-config       print the settings in force, secrets masked\n"
"      --restore-from-room ROOM [--force]\n"
"                           make a lost database anew from the receipts in the\n"
"                           admin room (an alias or id), then exit; --force: also\n"
"                           when receipts are missing or do not fit\n"
"      --prepare-gateway    write what Envoy needs to start, print the path of\n"
"                           its bootstrap file, then exit\n"
"      --generate-registration --domain NAME --url URL [--prefix WORD]\n"
"                           print a registration for the homeserver\n"
"      --print-crds         print the CustomResourceDefinitions\n"
"      --print-schema       print the JSON Schema of the four kinds\n"
"      --explain PATH       explain a field, e.g. worker.spec.model\n"
"      --list-faults        print the points where HICLAW_FAULT can kill\n"
"  -V, --version\n"
"  -h, --help\n"
"\n"
"Examples\n"
"  hiclaw-controller --generate-registration --domain example.org \\\n"
"      --url http://127.0.0.1:29301 > registration.yaml\n"
"  hiclaw-controller --config /etc/hiclaw/controller.yaml --check-config\n"
"  hiclaw-controller --config /etc/hiclaw/controller.yaml\n"
"\n"
"Settings: hiclaw-controller.conf(5).  Commands in chat: hiclaw-commands(7).\n";

enum mode { MODE_RUN, MODE_CHECK, MODE_PRINT, MODE_PREPARE, MODE_REGISTRATION, MODE_CRDS,
    MODE_SCHEMA, MODE_EXPLAIN, MODE_FAULTS, MODE_RESTORE };
enum { OPT_CHECK = 256, OPT_PRINT, OPT_PREPARE, OPT_REGISTRATION, OPT_DOMAIN, OPT_URL,
    OPT_PREFIX, OPT_CRDS, OPT_SCHEMA, OPT_EXPLAIN, OPT_FAULTS,
    OPT_RESTORE, OPT_FORCE };

struct options {
	enum mode	 mode;
	const char	*config, *domain, *url, *prefix, *explain, *room;
	bool		 is_forced;
};

static const struct option long_options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "check-config", no_argument, NULL, OPT_CHECK },
	{ "print-config", no_argument, NULL, OPT_PRINT },
	{ "prepare-gateway", no_argument, NULL, OPT_PREPARE },
	{ "generate-registration", no_argument, NULL, OPT_REGISTRATION },
	{ "domain", required_argument, NULL, OPT_DOMAIN },
	{ "url", required_argument, NULL, OPT_URL },
	{ "prefix", required_argument, NULL, OPT_PREFIX },
	{ "print-crds", no_argument, NULL, OPT_CRDS },
	{ "print-schema", no_argument, NULL, OPT_SCHEMA },
	{ "explain", required_argument, NULL, OPT_EXPLAIN },
	{ "restore-from-room", required_argument, NULL, OPT_RESTORE },
	{ "force", no_argument, NULL, OPT_FORCE },
	{ "list-faults", no_argument, NULL, OPT_FAULTS },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 }
};

static void
parse_options(int argc, char **argv, struct options *o)
{
	int c;

	memset(o, 0, sizeof *o);
	o->prefix = "hiclaw";
	while ((c = getopt_long(argc, argv, "c:Vh", long_options, NULL)) != -1)
		switch (c) {
		case 'c': o->config = optarg; break;
		case OPT_CHECK: o->mode = MODE_CHECK; break;
		case OPT_PRINT: o->mode = MODE_PRINT; break;
		case OPT_PREPARE: o->mode = MODE_PREPARE; break;
		case OPT_REGISTRATION: o->mode = MODE_REGISTRATION; break;
		case OPT_DOMAIN: o->domain = optarg; break;
		case OPT_URL: o->url = optarg; break;
		case OPT_PREFIX: o->prefix = optarg; break;
		case OPT_CRDS: o->mode = MODE_CRDS; break;
		case OPT_SCHEMA: o->mode = MODE_SCHEMA; break;
		case OPT_EXPLAIN:
			o->mode = MODE_EXPLAIN;
			o->explain = optarg;
			break;
		case OPT_RESTORE:
			o->mode = MODE_RESTORE;
			o->room = optarg;
			break;
		case OPT_FORCE: o->is_forced = true; break;
		case OPT_FAULTS: o->mode = MODE_FAULTS; break;
		case 'V':
			puts("hiclaw-controller " PACKAGE_VERSION);
			exit(EX_OK);
		case 'h':
			fputs(usage_text, stdout);
			exit(EX_OK);
		default:
			fputs("Try: hiclaw-controller --help\n", stderr);
			exit(EX_USAGE);
		}
	if (o->is_forced && o->mode != MODE_RESTORE) {
		fputs("hiclaw-controller: --force goes with "
		    "--restore-from-room\n", stderr);
		exit(EX_USAGE);
	}
	if (optind < argc) {
		fprintf(stderr, "hiclaw-controller: unexpected argument "
		    "\"%s\"\nTry: hiclaw-controller --help\n", argv[optind]);
		exit(EX_USAGE);
	}
}

/* --- modes that print and exit ------------------------------------------- */

static int
print_registration(const struct options *o)
{
	char *text;

	if (o->domain == NULL || o->url == NULL) {
		fputs("hiclaw-controller: --generate-registration needs "
		    "--domain (the server name of the homeserver) and --url "
		    "(where it reaches us, e.g. http://127.0.0.1:29301)\n",
		    stderr);
		return EX_USAGE;
	}
	text = registration_generate(o->domain, o->url, o->prefix);
	fputs(text, stdout);
	free(text);
	return EX_OK;
}

static int
print_crds(void)
{
	for (size_t i = 0; i < kinds_n; i++) {
		char *text = api_crd_yaml(&kinds[i]);

		printf("---\n%s", text);
		free(text);
	}
	return EX_OK;
}

static int
print_schema(void)
{
	char *text = api_json_schema();

	puts(text);
	free(text);
	return EX_OK;
}

static int
print_explanation(const char *path)
{
	struct err err;
	char *text = api_explain(path, &err);

	if (text == NULL) {
		fprintf(stderr, "hiclaw-controller: %s\n", err.msg);
		return EX_USAGE;
	}
	fputs(text, stdout);
	free(text);
	return EX_OK;
}

static int
print_faults(void)
{
	for (size_t i = 0; fault_points[i] != NULL; i++)
		puts(fault_points[i]);
	return EX_OK;
}

static int
print_config(const struct config *cfg)
{
	char *text = config_print(cfg);

	fputs(text, stdout);
	free(text);
	return EX_OK;
}

/* Envoy is started before us, on files that only we can write. */
static int
prepare_gateway(struct daemon *d)
{
	struct provider_env env = { 0 };
	struct err err;
	void *ctx;

	if (strcmp(d->cfg.gateway.provider, "envoy") != 0) {
		fputs("hiclaw-controller: --prepare-gateway is for "
		    "gateway.provider: envoy\n", stderr);
		return EX_USAGE;
	}
	umask(077);
	provider_env_fill(d, &env);
	for (size_t i = 0; providers[i] != NULL; i++) {
		if (strcmp(providers[i]->name, "envoy") != 0)
			continue;
		if (providers[i]->open(&env, &ctx, &err) == -1) {
			fprintf(stderr, "hiclaw-controller: %s\n", err.msg);
			return EX_CANTCREAT;
		}
		providers[i]->close(ctx);
	}
	free(d->own_url);
	printf("%s/bootstrap.json\n", d->cfg.gateway.directory);
	return EX_OK;
}

/* --- running -------------------------------------------------------------- */

void
daemon_stop(struct daemon *d, int exit_code)
{
	d->exit_code = exit_code;
	loop_stop(d->loop);
}

/* The turn: decide, commit once, let go. */
static void
turn(void *arg)
{
	struct daemon *d = arg;

	engine_before_commit(d->engine);
	life_before_commit(d->life);
	outbox_before_commit(d);
	store_commit(d->store);
	fault("inbox.after-commit");
	engine_after_commit(d->engine);
	outbox_after_commit(d);
	intake_after_commit(d);
}

static void
second(void *arg)
{
	struct daemon *d = arg;

	if (d->is_up) {
		chat_tick(d->chat);
		if (d->inbox_again) {
			d->inbox_again = false;
			inbox_wake(d);
		}
	}
	timer_arm(d->tick_timer, TICK_MS);
}

static void
feed_timer(void *arg)
{
	feed_now(arg);
}

/* Only to make a turn: what is due is found there. */
static void
mail_timer(void *arg)
{
	(void)arg;
}

static void
drain(void *arg)
{
	struct daemon *d = arg;

	if ((engine_is_idle(d->engine) && d->mail_in_flight == 0) ||
	    clock_mono_ms() > d->drain_until_ms)
		daemon_stop(d, EX_OK);
	else
		timer_arm(d->drain_timer, 50);
}

static void
on_signal(void *arg)
{
	struct daemon *d = arg;

	if (d->signals++ > 0) {
		daemon_stop(d, EX_OK);
		return;
	}
	log_info("main", "stopping; calls in flight may end");
	d->drain_until_ms = clock_mono_ms() + DRAIN_MS;
	engine_drain(d->engine);
	d->is_up = false;
	drain(d);
}

/* The homeserver is back: see what we missed. */
static void
on_system(void *arg, const char *provider, bool is_up, int64_t since_ms,
    const char *why)
{
	struct daemon *d = arg;

	(void)since_ms;
	(void)why;
	if (is_up && strcmp(provider, "matrix") == 0)
		timer_arm(d->feed_timer, 0);
}

static void
rest_facts(void *arg, struct rest_facts *f)
{
	const struct daemon *d = arg;

	f->is_up = d->is_up;
	f->resyncs = d->resyncs;
}

static void
rest_reported(void *arg, const char *agent, int busy)
{
	struct daemon *d = arg;

	life_heard(d->life, agent, busy);
}

static void
rest_open(struct daemon *d)
{
	struct rest_config rc = { .version = PACKAGE_VERSION,
	    .admin_token = d->cfg.api.admin_token, .facts = rest_facts,
	    .reported = rest_reported, .arg = d };

	if (d->cfg.admins.n > 0)
		rc.admin_user = d->cfg.admins.v[0];
	d->rest = rest_new(&d->ops, &rc);
}

static void
mx_fill(struct daemon *d)
{
	struct config *c = &d->cfg;
	const char *dash = strrchr(c->as_id, '-');

	d->mx.url = c->homeserver.url;
	d->mx.domain = c->homeserver.domain;
	d->mx.as_id = c->as_id;
	d->mx.as_token = c->as_token;
	d->mx.prefix = c->prefix;
	d->mx.bot = xasprintf("@%s:%s", c->prefix, c->homeserver.domain);
	d->mx.device = xasprintf("HICLAW_%s", dash != NULL ? dash + 1 :
	    c->as_id);
	d->mx.shared_secret = c->homeserver.registration_shared_secret;
	d->mx.registration_token = c->homeserver.registration_token;
}

static void
engine_config_fill(struct daemon *d, struct engine_config *ec)
{
	struct config *c = &d->cfg;

	memset(ec, 0, sizeof *ec);
	d->providers = without_keys(c->gateway.providers);
	d->mcp_servers = without_keys(c->gateway.mcp_servers);
	world_config_fill(d, &ec->world);
	provider_env_fill(d, &ec->env);
	ec->threads = (int)c->engine.threads;
	ec->resync_ms = c->engine.resync_s * 1000;
	ec->run_limit_ms = c->engine.run_limit_s * 1000;
	ec->live_interval_ms = c->chat.live_interval_ms;
}

static struct life *
life_open(struct daemon *d)
{
	int64_t idle_ms = duration_ms(d->cfg.agents.idle_timeout);

	d->ops = (struct ops){ .engine = d->engine, .store = d->store,
	    .settled = chat_settled, .joined = chat_joined };
	return life_new(&d->ops, d->loop, idle_ms > 0 ? idle_ms : 0);
}

static int
daemon_open(struct daemon *d, struct err *err)
{
	struct engine_observer obs = { .arg = d, .system = on_system };
	struct engine_config ec;
	struct chat_config cc = { 0 };
	struct config *c = &d->cfg;
	struct life_news news;

	mx_fill(d);
	if ((d->library = library_load(c->chat.templates, err)) == NULL)
		return -1;
	if ((d->store = store_open(c->database, c->secrets_key, err)) == NULL)
		return -1;
	d->loop = loop_new();
	engine_config_fill(d, &ec);
	if ((d->engine = engine_new(d->loop, d->store, &ec, err)) == NULL)
		return -1;
	cc.commands_dir = c->chat.commands;
	cc.commands_extra = c->chat.commands_extra;
	cc.templates_dir = c->chat.templates;
	cc.homeserver_url = c->homeserver.url;
	cc.question_ttl_ms = c->chat.question_ttl_s * 1000;
	cc.password_ttl_ms = c->chat.password_ttl_s * 1000;
	cc.live_interval_ms = c->chat.live_interval_ms;
	cc.rotation_overlap_ms = c->gateway.rotation_overlap_s * 1000;
	cc.policy = c->chat.policy;
	cc.backups_dir = c->backups;
	cc.version = PACKAGE_VERSION;
	cc.rate = c->chat.rate;
	cc.reloaded = publish_soon;
	cc.arg = d;
	cc.life = d->life = life_open(d);
	if ((d->chat = chat_new(d->store, d->engine, &cc, err)) == NULL)
		return -1;
	news = chat_life_news(d->chat);
	d->ops.arg = d->chat;
	d->ops.policy = chat_policy(d->chat);
	freeze_load(&d->ops);
	life_tell(d->life, &news);
	engine_observe(d->engine, chat_observer(d->chat));
	engine_observe(d->engine, &obs);
	rest_open(d);
	d->errands = pool_new(d->loop, "errands", ERRAND_THREADS);
	d->postmen = pool_new(d->loop, "postmen", POSTMEN);
	d->fetching = map_new(NULL);
	d->asking = map_new(asking_free);
	d->rooms_busy = map_new(NULL);
	d->rooms_held = map_new(free);
	d->feed_timer = timer_new(d->loop, feed_timer, d);
	d->tick_timer = timer_new(d->loop, second, d);
	d->publish_timer = timer_new(d->loop, publish_now, d);
	d->mail_timer = timer_new(d->loop, mail_timer, d);
	d->drain_timer = timer_new(d->loop, drain, d);
	loop_before_wait(d->loop, turn, d);
	loop_on_signal(d->loop, SIGTERM, on_signal, d);
	loop_on_signal(d->loop, SIGINT, on_signal, d);
	d->httpd = httpd_start(c->listen, d->loop, intake_request, d, err);
	return d->httpd == NULL ? -1 : 0;
}

static void
daemon_close(struct daemon *d)
{
	http_abort_all();
	rest_stop(d->rest);
	if (d->httpd != NULL)
		httpd_stop(d->httpd);
	if (d->errands != NULL)
		pool_free(d->errands);
	if (d->postmen != NULL)
		pool_free(d->postmen);
	if (d->engine != NULL)
		engine_free(d->engine);
	rest_free(d->rest);
	outbox_free(d);
	chat_free(d->chat);
	life_free(d->life);
	map_free(d->fetching);
	map_free(d->asking);
	timer_free(d->boot_timer);
	timer_free(d->feed_timer);
	timer_free(d->tick_timer);
	timer_free(d->mail_timer);
	timer_free(d->publish_timer);
	timer_free(d->drain_timer);
	if (d->store != NULL) {
		store_commit(d->store);
		store_close(d->store);
	}
	if (d->loop != NULL)
		loop_free(d->loop);
	free(d->mx.bot);
	free(d->mx.device);
	free(d->agent_user);
	free(d->own_url);
	library_free(d->library);
	json_free(d->providers);
	json_free(d->mcp_servers);
}

static int
exit_of(const struct err *err)
{
	switch (err->kind) {
	case ERR_CONFLICT: return EX_TEMPFAIL;	/* another one is running */
	case ERR_USER: return EX_CONFIG;
	case ERR_RETRY: return EX_TEMPFAIL;
	default: return EX_SOFTWARE;
	}
}

static int
run(struct daemon *d)
{
	struct err err;

	signal(SIGPIPE, SIG_IGN);
	/* Many threads, little memory: no arena for each of them. */
	mallopt(M_ARENA_MAX, 2);
	mallopt(M_TRIM_THRESHOLD, 256 * 1024);
	umask(077);
	fault_init();
	if (daemon_open(d, &err) == -1) {
		log_error("main", "%s", err.msg);
		daemon_close(d);
		return exit_of(&err);
	}
	log_info("main", "hiclaw-controller " PACKAGE_VERSION
	    " listens on %s, pid %d", d->cfg.listen, (int)getpid());
	second(d);
	boot_start(d);
	loop_run(d->loop);
	daemon_close(d);
	log_info("main", "stopped");
	return d->exit_code;
}

static int
restore(struct daemon *d, const char *room, bool is_forced)
{
	int rc;

	umask(077);
	mx_fill(d);
	rc = restore_from_room(d, room, is_forced);
	free(d->mx.bot);
	free(d->mx.device);
	return rc;
}

static int
with_config(const struct options *o, struct daemon *d)
{
	enum log_level level;
	struct err err;

	if (config_load(&d->cfg, o->config, &err) == -1) {
		fprintf(stderr, "hiclaw-controller: %s\n", err.msg);
		return EX_CONFIG;
	}
	if (log_level_parse(d->cfg.log.level, &level) == 0)
		log_set_level(level);
	log_set_json(d->cfg.log.json);
	if (o->mode == MODE_PRINT)
		return print_config(&d->cfg);
	if (config_check(&d->cfg, &err) == -1) {
		fprintf(stderr, "hiclaw-controller: %s\n", err.msg);
		return EX_CONFIG;
	}
	if (o->mode == MODE_CHECK) {
		printf("settings are fine: %s as @%s:%s\n",
		    d->cfg.homeserver.url, d->cfg.prefix,
		    d->cfg.homeserver.domain);
		return EX_OK;
	}
	if (o->mode == MODE_RESTORE)
		return restore(d, o->room, o->is_forced);
	return o->mode == MODE_PREPARE ? prepare_gateway(d) : run(d);
}

int
main(int argc, char **argv)
{
	static struct daemon d;
	struct options o;
	int rc;

	parse_options(argc, argv, &o);
	switch (o.mode) {
	case MODE_REGISTRATION: return print_registration(&o);
	case MODE_CRDS: return print_crds();
	case MODE_SCHEMA: return print_schema();
	case MODE_EXPLAIN: return print_explanation(o.explain);
	case MODE_FAULTS: return print_faults();
	default: break;
	}
	rc = with_config(&o, &d);
	config_release(&d.cfg);
	return rc;
}
