/*
 * Settings and registration: what is written is what is in force, each mistake
 * is named with its place and a way out, and no secret is ever printed.
 */
#include "hiclaw/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "hiclaw/log.h"
#include "hiclaw/re.h"

extern char	**environ;

struct fix {
	char		*dir, *path, *registration;
	struct config	 cfg;
	struct err	 err;
};

static void
write_text(const char *path, const char *text)
{
	FILE	*f = fopen(path, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0600), 0);
}

static void
clear_environment(void)
{
	char	*name;
	size_t	 i;

	for (i = 0; environ[i] != NULL; )
		if (str_starts(environ[i], "HICLAW_CFG_")) {
			name = xstrndup(environ[i], strcspn(environ[i], "="));
			unsetenv(name);
			free(name);
		} else {
			i++;
		}
}

static int
setup(void **state)
{
	struct fix	*f = xcalloc(1, sizeof *f);
	const char	*tmp = getenv("TMPDIR");
	char		*text;

	log_set_level(LOG_LVL_ERROR);
	clear_environment();
	f->dir = xasprintf("%s/hiclaw-config-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(f->dir));
	f->path = xasprintf("%s/hiclaw.yaml", f->dir);
	f->registration = xasprintf("%s/registration.yaml", f->dir);
	text = registration_generate("matrix.example.org:8448",
	    "http://127.0.0.1:29301", "hiclaw");
	write_text(f->registration, text);
	free(text);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fix	*f = *state;

	config_release(&f->cfg);
	unlink(f->path);
	unlink(f->registration);
	assert_int_equal(rmdir(f->dir), 0);
	free(f->dir);
	free(f->path);
	free(f->registration);
	free(f);
	clear_environment();
	return 0;
}

static int
load(struct fix *f, const char *text)
{
	config_release(&f->cfg);
	memset(&f->err, 0, sizeof f->err);
	if (text != NULL)
		write_text(f->path, text);
	return config_load(&f->cfg, text != NULL ? f->path : NULL, &f->err);
}

static void
must_load(struct fix *f, const char *text)
{
	if (load(f, text) == -1)
		fail_msg("%s", f->err.msg);
}

static void
expect_says(const struct fix *f, const char *part)
{
	if (strstr(f->err.msg, part) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", f->err.msg, part);
	assert_int_equal(f->err.kind, ERR_USER);
}

/* --- the file ------------------------------------------------------------- */

static void
test_defaults(void **state)
{
	struct fix	*f = *state;
	struct config	*c = &f->cfg;

	must_load(f, NULL);
	assert_null(c->homeserver.url);
	assert_null(c->homeserver.domain);
	assert_null(c->homeserver.registration_shared_secret);
	assert_string_equal(c->homeserver.registration,
	    "/etc/hiclaw/registration.yaml");
	assert_false(c->homeserver.federate);
	assert_string_equal(c->homeserver.room_version, "12");
	assert_string_equal(c->prefix, "hiclaw");
	assert_string_equal(c->listen, "127.0.0.1:29301");
	assert_string_equal(c->database, "/var/lib/hiclaw/hiclaw.db");
	assert_string_equal(c->secrets_key, "/var/lib/hiclaw/hiclaw.db.key");
	assert_int_equal(c->admins.n, 0);
	assert_string_equal(c->storage.url,
	    "file:///var/lib/hiclaw/storage");
	assert_int_equal(c->chat.question_ttl_s, 300);
	assert_int_equal(c->chat.password_ttl_s, 3600);
	assert_int_equal(c->chat.live_interval_ms, 1500);
	assert_int_equal(c->engine.resync_s, 30);
	assert_int_equal(c->engine.threads, 16);
	assert_int_equal(c->engine.run_limit_s, 240);
	assert_string_equal(c->log.level, "info");
	assert_false(c->log.json);
	/* A file with nothing in it is the same. */
	must_load(f, "# nothing\n");
	assert_string_equal(c->listen, "127.0.0.1:29301");
	must_load(f, "chat:\nlog: {}\n");
	assert_string_equal(c->log.level, "info");
}

static const char whole[] =
    "homeserver:\n"
    "  url: https://matrix.example.org/base/\n"
    "  domain: example.org\n"
    "  registration: /r.yaml\n"
    "  prefix: claws\n"
    "  registration_shared_secret: \"s3cr3t: #1\"\n"
    "  registration_token: t0k3n\n"
    "  federate: true\n"
    "  room_version: \"11\"\n"
    "listen: \"[::1]:8080\"\n"
    "database: /d.db\n"
    "secrets_key: /k\n"
    "admins: [\"@a:example.org\", \"@b:elsewhere.org:1\"]\n"
    "storage:\n"
    "  url: \"\"\n"
    "chat: {commands: /c, templates: /t, question_ttl: 10,\n"
    "  password_ttl: 61, live_interval: 100}\n"
    "engine: {resync: 1, threads: 64, run_limit: 5}\n"
    "log: {level: debug, json: true}\n";

static void
expect_whole(const struct config *c)
{
	assert_string_equal(c->homeserver.url,
	    "https://matrix.example.org/base");
	assert_string_equal(c->homeserver.domain, "example.org");
	assert_string_equal(c->homeserver.registration, "/r.yaml");
	assert_string_equal(c->prefix, "claws");
	assert_string_equal(c->homeserver.registration_shared_secret,
	    "s3cr3t: #1");
	assert_string_equal(c->homeserver.registration_token, "t0k3n");
	assert_true(c->homeserver.federate);
	assert_string_equal(c->homeserver.room_version, "11");
	assert_string_equal(c->listen, "[::1]:8080");
	assert_string_equal(c->database, "/d.db");
	assert_string_equal(c->secrets_key, "/k");
	assert_int_equal(c->admins.n, 2);
	assert_string_equal(c->admins.v[1], "@b:elsewhere.org:1");
	assert_string_equal(c->storage.url, "");
	assert_string_equal(c->chat.commands, "/c");
	assert_string_equal(c->chat.templates, "/t");
	assert_int_equal(c->chat.question_ttl_s, 10);
	assert_int_equal(c->chat.password_ttl_s, 61);
	assert_int_equal(c->chat.live_interval_ms, 100);
	assert_int_equal(c->engine.resync_s, 1);
	assert_int_equal(c->engine.threads, 64);
	assert_int_equal(c->engine.run_limit_s, 5);
	assert_string_equal(c->log.level, "debug");
	assert_true(c->log.json);
}

static void
test_whole_file(void **state)
{
	struct fix	*f = *state;

	must_load(f, whole);
	expect_whole(&f->cfg);
}

/* Replaces every `from` in text; yours. */
static char *
replaced(char *text, const char *from, const char *to)
{
	struct buf	 b = { 0 };
	const char	*at = text, *hit;

	while ((hit = strstr(at, from)) != NULL) {
		buf_add(&b, at, (size_t)(hit - at));
		buf_puts(&b, to);
		at = hit + strlen(from);
	}
	buf_puts(&b, at);
	free(text);
	return buf_take(&b);
}

/* What is printed can be loaded, once the secrets are put back. */
static void
test_print(void **state)
{
	struct fix	*f = *state;
	char		*text;

	must_load(f, whole);
	text = config_print(&f->cfg);
	assert_null(strstr(text, "s3cr3t"));
	assert_null(strstr(text, "t0k3n"));
	assert_non_null(strstr(text, "***"));
	text = replaced(text, "registration_shared_secret: \"***\"",
	    "registration_shared_secret: \"s3cr3t: #1\"");
	text = replaced(text, "registration_token: \"***\"",
	    "registration_token: t0k3n");
	assert_null(strstr(text, "***"));
	must_load(f, text);
	expect_whole(&f->cfg);
	free(text);

	/* Unset secrets are not shown as set. */
	must_load(f, NULL);
	text = config_print(&f->cfg);
	assert_null(strstr(text, "***"));
	must_load(f, text);
	free(text);
}

static void
test_bad_files(void **state)
{
	static const struct {
		const char	*text, *says;
	} cases[] = {
		{ "homeserver:\n  ulr: http://x\n", "line 2, column 3" },
		{ "homeserver:\n  ulr: http://x\n", "\"url\"" },
		{ "homeserver:\n  ulr: http://x\n", "  ulr: ...\n  ^" },
		{ "lisen: 1.2.3.4:5\n", "\"listen\"" },
		{ "gateway:\n  url: x\n", "gateway" },
		{ "container: {}\n", "did you mean \"containers\"" },
		{ "agents:\n  runtime: zsh\n", "openclaw" },
		{ "gateway:\n  providers:\n  - name: A\n    url: http://x\n", "name" },
		{ "gateway:\n  providers: [{name: a}]\n", "url" },
		{ "homeserver: [1]\n", "homeserver" },
		{ "homeserver:\n  url: matrix.org\n",
		    "example: url: http://127.0.0.1:8008" },
		{ "homeserver:\n  url: \"http://a b\"\n", "homeserver.url" },
		{ "homeserver:\n  domain: \"x y\"\n", "domain: example.org" },
		{ "homeserver:\n  room_version: 12\n", "quote it: \"12\"" },
		{ "homeserver:\n  prefix: Hi_Claw\n", "prefix: hiclaw" },
		{ "homeserver:\n  federate: yes\n", "write true" },
		{ "listen: localhost\n", "listen: 127.0.0.1:29301" },
		{ "database: \"\"\n", "must not be empty" },
		{ "admins: \"@a:b\"\n", "a list" },
		{ "admins: [a]\n", "\"a\"" },
		{ "admins: [\"@a:b\", \"@a:b\"]\n", "twice" },
		{ "storage:\n  url: s3://x\n", "file:///srv/hiclaw" },
		{ "engine:\n  threads: 65\n", "1 to 64" },
		{ "engine:\n  threads: many\n", "not \"many\"" },
		{ "engine:\n  resync: 0\n", "out of range" },
		{ "log:\n  level: dbug\n", "did you mean \"debug\"" },
		{ "listen: a:1\nlisten: a:2\n", "line 2" },
		{ "listen: a:1\n---\nlisten: a:2\n", "one document" },
		{ "\tlisten: a:1\n", "line 1" },
		{ "- listen\n", "key: value" },
	};
	struct fix	*f = *state;
	size_t		 i;

	for (i = 0; i < NELEM(cases); i++) {
		if (load(f, cases[i].text) == 0)
			fail_msg("taken: %s", cases[i].text);
		expect_says(f, cases[i].says);
		expect_says(f, f->path);
	}
}

static void
test_unreadable(void **state)
{
	struct fix	*f = *state;
	char		*big = xmalloc(300001);
	struct err	 err;

	assert_int_equal(config_load(&f->cfg, "/nonexistent/x.yaml", &err),
	    -1);
	assert_non_null(strstr(err.msg, "/nonexistent/x.yaml"));
	memset(big, '#', 300000);
	big[300000] = '\0';
	assert_int_equal(load(f, big), -1);
	expect_says(f, "larger than");
	assert_int_equal(config_load(&f->cfg, f->dir, &err), -1);
	free(big);
}

static void
test_no_secret_in_messages(void **state)
{
	static const char *const cases[] = {
		"homeserver:\n  registration_shared_secert: hunter2\n",
		"homeserver:\n  registration_token: [hunter2]\n",
		"homeserver:\n  registration_token: \"hunter2\n",
		"homeserver:\n  registration_token: \"hunter2\" x\n",
		"homeserver:\n  registration_token: |\n    hunter2\n    b\n",
		"homeserver: {registration_token: hunter2, x: 1}\n",
		"registration_token: hunter2\n",
		"homeserver:\n  registration_token hunter2\n  x: 1\n",
		"homeserver:\n  registration_token:\n    - hunter2\n",
		"homeserver:\n  registration_token: a\n\thunter2\n",
	};
	struct fix	*f = *state;
	size_t		 i;

	for (i = 0; i < NELEM(cases); i++) {
		assert_int_equal(load(f, cases[i]), -1);
		if (strstr(f->err.msg, "hunter2") != NULL)
			fail_msg("a secret in: %s", f->err.msg);
	}
	assert_int_equal(load(f, "homeserver:\n"
	    "  registration_token: 20061234\n"), -1);
	assert_null(strstr(f->err.msg, "20061234"));
	expect_says(f, "homeserver.registration_token");
	expect_says(f, "line 2");
}

/* --- the environment ------------------------------------------------------ */

static void
test_environment(void **state)
{
	struct fix	*f = *state;
	struct config	*c = &f->cfg;

	setenv("HICLAW_CFG_LISTEN", "0.0.0.0:1", 1);
	setenv("HICLAW_CFG_HOMESERVER_URL", "http://hs:8008/", 1);
	setenv("HICLAW_CFG_HOMESERVER_ROOM_VERSION", "10", 1);
	setenv("HICLAW_CFG_HOMESERVER_FEDERATE", "false", 1);
	setenv("HICLAW_CFG_HOMESERVER_REGISTRATION_TOKEN", "", 1);
	setenv("HICLAW_CFG_ADMINS", "@x:y, @z:y,", 1);
	setenv("HICLAW_CFG_ENGINE_THREADS", "3", 1);
	setenv("HICLAW_CFG_STORAGE_URL", "file:///s/", 1);
	setenv("HICLAW_OTHER", "not ours to judge", 1);
	must_load(f, whole);
	assert_string_equal(c->listen, "0.0.0.0:1");
	assert_string_equal(c->homeserver.url, "http://hs:8008");
	assert_string_equal(c->homeserver.room_version, "10");
	assert_false(c->homeserver.federate);
	assert_null(c->homeserver.registration_token);
	assert_int_equal(c->admins.n, 2);
	assert_string_equal(c->admins.v[0], "@x:y");
	assert_string_equal(c->admins.v[1], "@z:y");
	assert_int_equal(c->engine.threads, 3);
	assert_string_equal(c->storage.url, "file:///s");
	/* What it does not name is from the file. */
	assert_string_equal(c->homeserver.domain, "example.org");
	unsetenv("HICLAW_OTHER");
}

static void
test_bad_environment(void **state)
{
	static const struct {
		const char	*name, *value, *says;
	} cases[] = {
		{ "HICLAW_CFG_HOMESERVR_URL", "http://x",
		    "did you mean HICLAW_CFG_HOMESERVER_URL?" },
		{ "HICLAW_CFG_LISTENN", "x:1", "HICLAW_CFG_LISTEN?" },
		{ "HICLAW_CFG_GATEWAY_URL", "x", "HICLAW_CFG_GATEWAY_URL" },
		{ "HICLAW_CFG_HOMESERVER", "x", "no setting" },
		{ "HICLAW_CFG_", "x", "no setting" },
		{ "HICLAW_CFG_listen", "x:1", "no setting" },
		{ "HICLAW_CFG_ENGINE_THREADS", "lots", "a whole number" },
		{ "HICLAW_CFG_ENGINE_THREADS", "0", "out of range" },
		{ "HICLAW_CFG_ENGINE_THREADS", "", "HICLAW_CFG_ENGINE_THREADS" },
		{ "HICLAW_CFG_LOG_JSON", "yes", "write true" },
		{ "HICLAW_CFG_LOG_LEVEL", "loud", "error, warn" },
		{ "HICLAW_CFG_ADMINS", "@a:b,nobody", "nobody" },
		{ "HICLAW_CFG_HOMESERVER_URL", "ftp://x", "http://127" },
	};
	struct fix	*f = *state;
	size_t		 i;

	for (i = 0; i < NELEM(cases); i++) {
		setenv(cases[i].name, cases[i].value, 1);
		if (load(f, NULL) == 0)
			fail_msg("taken: %s=%s", cases[i].name,
			    cases[i].value);
		expect_says(f, cases[i].says);
		expect_says(f, cases[i].name);
		unsetenv(cases[i].name);
	}
}

/* --- the registration ----------------------------------------------------- */

static void
test_generate(void **state)
{
	char	*a = registration_generate("my-matrix.example.org:8448",
		    "http://127.0.0.1:29301", "hiclaw");
	char	*b = registration_generate("my-matrix.example.org:8448",
		    "http://127.0.0.1:29301", "hiclaw");

	(void)state;
	assert_string_not_equal(a, b);
	assert_non_null(strstr(a, "\nid: hiclaw-"));
	assert_non_null(strstr(a, "\nsender_localpart: _hiclaw_as\n"));
	assert_non_null(strstr(a, "\nrate_limited: false\n"));
	assert_non_null(strstr(a, "\nurl: \"http://127.0.0.1:29301\"\n"));
	assert_non_null(strstr(a, "  rooms: []\n"));
	assert_non_null(strstr(a, "'^@hiclaw(_[a-z0-9._=-]+)?:"
	    "my\\-matrix\\.example\\.org:8448$'"));
	free(a);
	free(b);
}

static void
load_with_registration(struct fix *f, const char *extra)
{
	char	*text = xasprintf("homeserver:\n  url: http://h\n"
		    "  domain: matrix.example.org:8448\n  registration: %s\n"
		    "%sadmins: [\"@you:matrix.example.org:8448\"]\n",
		    f->registration, extra);

	must_load(f, text);
	free(text);
}

static void
test_check(void **state)
{
	static const struct {
		const char	*id;
		bool		 user, alias;
	} cases[] = {
		{ "@hiclaw:matrix.example.org:8448", true, false },
		{ "@hiclaw_bob-1:matrix.example.org:8448", true, false },
		{ "@hiclaw_a.b_c=d:matrix.example.org:8448", true, false },
		{ "@hiclaw_:matrix.example.org:8448", false, false },
		{ "@hiclaws:matrix.example.org:8448", false, false },
		{ "@_hiclaw_as:matrix.example.org:8448", false, false },
		{ "@hiclaw:matrix-example.org:8448", false, false },
		{ "@hiclaw:matrix.example.org:84480", false, false },
		{ "#hiclaw_admin:matrix.example.org:8448", false, true },
		{ "#hiclaw:matrix.example.org:8448", false, false },
		{ "#other_hiclaw_x:matrix.example.org:8448", false, false },
	};
	struct fix	*f = *state;
	struct config	*c = &f->cfg;
	size_t		 i;

	load_with_registration(f, "");
	/* Twice: nothing is kept twice. */
	for (i = 0; i < 2; i++)
		if (config_check(c, &f->err) == -1)
			fail_msg("%s", f->err.msg);
	assert_int_equal(strlen(c->as_id), strlen("hiclaw-12345678"));
	assert_int_equal(strlen(c->as_token), 64);
	assert_int_equal(strlen(c->hs_token), 64);
	assert_string_not_equal(c->as_token, c->hs_token);
	assert_string_equal(c->sender, "_hiclaw_as");
	assert_int_equal(c->user_regex.n, 1);
	assert_int_equal(c->alias_regex.n, 1);
	for (i = 0; i < NELEM(cases); i++) {
		assert_int_equal(re_match(c->user_regex.v[0], cases[i].id),
		    cases[i].user);
		assert_int_equal(re_match(c->alias_regex.v[0], cases[i].id),
		    cases[i].alias);
	}
}

static void
test_check_settings(void **state)
{
	static const struct {
		const char	*name, *value, *says;
	} cases[] = {
		{ "HICLAW_CFG_HOMESERVER_URL", "", "homeserver.url is not set" },
		{ "HICLAW_CFG_HOMESERVER_URL", "", "HICLAW_CFG_HOMESERVER_URL" },
		{ "HICLAW_CFG_HOMESERVER_URL", "", "http://127.0.0.1:8008" },
		{ "HICLAW_CFG_HOMESERVER_DOMAIN", "", "homeserver.domain" },
		{ "HICLAW_CFG_HOMESERVER_DOMAIN", "example.com",
		    "no exclusive namespace of users covers "
		    "@hiclaw:example.com" },
		{ "HICLAW_CFG_HOMESERVER_PREFIX", "paws", "@paws:matrix" },
		{ "HICLAW_CFG_HOMESERVER_PREFIX", "paws", "homeserver.prefix" },
		{ "HICLAW_CFG_ADMINS", "", "admins is empty" },
		{ "HICLAW_CFG_ADMINS", "@you:a_b", "\"@you:a_b\"" },
		{ "HICLAW_CFG_ADMINS", "@hiclaw_bob:matrix.example.org:8448",
		    "name a person" },
		{ "HICLAW_CFG_HOMESERVER_REGISTRATION", "/nonexistent/r.yaml",
		    "--generate-registration" },
		{ "HICLAW_CFG_STORAGE_PROVIDER", "s3", "storage.url" },
		{ "HICLAW_CFG_STORAGE_URL", "http://m:9000",
		    "storage.access_key" },
		{ "HICLAW_CFG_GATEWAY_PROVIDER", "higress",
		    "gateway.console_url" },
		{ "HICLAW_CFG_STORAGE_PROVIDER", "minio", "storage.url: minio" },
	};
	struct fix	*f = *state;
	size_t		 i;

	for (i = 0; i < NELEM(cases); i++) {
		/* "" unsets only what has no default. */
		setenv(cases[i].name, cases[i].value, 1);
		load_with_registration(f, "");
		if (config_check(&f->cfg, &f->err) == 0)
			fail_msg("taken: %s=%s", cases[i].name,
			    cases[i].value);
		expect_says(f, cases[i].says);
		unsetenv(cases[i].name);
	}
}

/* The gateway's lists: read from the file and from the environment, checked,
 * and never printed with their keys. */
static void
test_gateway(void **state)
{
	struct fix	*f = *state;
	char		*text;

	setenv("HICLAW_CFG_GATEWAY_PROVIDERS",
	    "[{name: a, url: \"http://x/v1\", key: sk-1234}, {name: b, url: "
	    "\"http://y/v1\"}]", 1);
	load_with_registration(f, "gateway:\n  provider: envoy\n"
	    "  url: http://127.0.0.1:5/\n");
	unsetenv("HICLAW_CFG_GATEWAY_PROVIDERS");
	assert_int_equal(config_check(&f->cfg, &f->err), 0);
	assert_int_equal(json_size(f->cfg.gateway.providers), 2);
	assert_string_equal(json_str(json_first(f->cfg.gateway.providers),
	    "key"), "sk-1234");
	assert_string_equal(f->cfg.gateway.url, "http://127.0.0.1:5");
	assert_string_equal(f->cfg.gateway.agents_url, "http://127.0.0.1:5");
	assert_int_equal(f->cfg.gateway.listen.n, 1);
	assert_string_equal(f->cfg.gateway.listen.v[0], "127.0.0.1:5");
	text = config_print(&f->cfg);
	assert_null(strstr(text, "sk-1234"));
	assert_non_null(strstr(text, "***"));
	free(text);
	setenv("HICLAW_CFG_GATEWAY_MCP_SERVERS", "[{name: a, url: "
	    "\"http://x\"}, {name: a, url: \"http://y\"}]", 1);
	assert_int_equal(load(f, "gateway:\n  provider: envoy\n"), -1);
	unsetenv("HICLAW_CFG_GATEWAY_MCP_SERVERS");
	expect_says(f, "\"a\" is listed twice");
	/* What is wrong with a key is said without it. */
	load(f, "gateway:\n  providers: [{name: a, url: \"http://x\", "
	    "key: [sk-1234]}]\n");
	assert_null(strstr(f->err.msg, "sk-1234"));
	expect_says(f, "gateway.providers");
}

#define NAMESPACES	"namespaces:\n  aliases: [{exclusive: true, regex: x}]\n"
#define TOKENS		"as_token: aaaaaaaaaaaaaaaa\nhs_token: bbbbbbbbbbbbbbbb\n"

static void
test_bad_registrations(void **state)
{
	static const struct {
		const char	*text, *says;
	} cases[] = {
		{ "", "id" },
		{ "id: x\nurl: null\nsender_localpart: s\n" TOKENS, "namespaces" },
		{ "id: \"a b\"\n", "hiclaw-1234abcd" },
		{ "id: x\nurl: y\nsender_localpart: s\nas_token: short-hunter2\n"
		    "hs_token: bbbbbbbbbbbbbbbb\n" NAMESPACES "  users: []\n",
		    "as_token has fewer than 16" },
		{ "id: x\nurl: y\nas_token: 12345678901234567890\n",
		    "as_token: expected a text" },
		{ "id: x\nurl: y\nsender_localpart: s\n" TOKENS NAMESPACES
		    "  users: [{exclusive: true, regex: '^@hi(:.*$'}]\n",
		    "no regular expression" },
		{ "id: x\nurl: y\nsender_localpart: s\n" TOKENS NAMESPACES
		    "  users: [{exclusive: false, regex: '^@hiclaw.*$'}]\n",
		    "no exclusive namespace of users" },
		{ "id: x\nurl: y\nsender_localpart: s\n" TOKENS NAMESPACES
		    "  users: [{exclusive: true, regex: '^@hiclaw.*$'}]\n",
		    "no exclusive namespace of aliases" },
		{ "id: x\nurl: y\nsender_localpart: hiclaw\n" TOKENS NAMESPACES
		    "  users: [{exclusive: true, regex: '^@hiclaw.*$'}]\n",
		    "spare account" },
	};
	struct fix	*f = *state;
	size_t		 i;

	for (i = 0; i < NELEM(cases); i++) {
		write_text(f->registration, cases[i].text);
		load_with_registration(f, "");
		if (config_check(&f->cfg, &f->err) == 0)
			fail_msg("taken: %s", cases[i].text);
		expect_says(f, cases[i].says);
		expect_says(f, f->registration);
		assert_null(strstr(f->err.msg, "1234567890123"));
		assert_null(strstr(f->err.msg, "hunter2"));
		assert_null(strstr(f->err.msg, "aaaaaaaa"));
		assert_null(f->cfg.as_id != NULL && i < 6 ? "kept" : NULL);
	}
}

/* Every setting is in the manual, and in the example where it may be set. */
static void
test_documented(void **state)
{
	static const char *const files[] = {
		"man/hiclaw-controller.conf.5", "contrib/hiclaw-controller.yaml"
	};
	struct fix	*f = *state;
	const char	*srcdir = getenv("srcdir");
	struct strv	 lines = { 0 };
	char		*all, *path, *text = xcalloc(1, 65536);
	FILE		*fp;
	size_t		 i, j, n;

	must_load(f, whole);
	all = config_print(&f->cfg);
	strv_split(&lines, all, '\n');
	assert_true(lines.n > 20);
	for (i = 0; i < NELEM(files); i++) {
		path = xasprintf("%s/%s", srcdir != NULL ? srcdir : ".",
		    files[i]);
		assert_non_null(fp = fopen(path, "re"));
		n = fread(text, 1, 65535, fp);
		text[n] = '\0';
		fclose(fp);
		for (j = 0; j < lines.n; j++) {
			char	*key = lines.v[j] + strspn(lines.v[j], " ");

			key[strcspn(key, ":")] = '\0';
			if (key[0] != '-' && strstr(text, key) == NULL)
				fail_msg("%s does not know %s", path, key);
		}
		free(path);
	}
	strv_release(&lines);
	free(all);
	free(text);
}

/* The example is a file that can be loaded, as it is and with all in force. */
static void
test_example(void **state)
{
	struct fix	*f = *state;
	const char	*srcdir = getenv("srcdir");
	char		*path, *text = xcalloc(1, 65536), *p, *q;
	FILE		*fp;

	path = xasprintf("%s/contrib/hiclaw-controller.yaml",
	    srcdir != NULL ? srcdir : ".");
	if (config_load(&f->cfg, path, &f->err) == -1)
		fail_msg("%s", f->err.msg);
	assert_string_equal(f->cfg.homeserver.domain, "example.org");
	assert_non_null(fp = fopen(path, "re"));
	assert_true(fread(text, 1, 65535, fp) > 0);
	fclose(fp);
	/* "#key:" and "#  key:" are settings out of force, "# Text" a remark. */
	for (p = q = text; *p != '\0'; ) {
		if ((p == text || p[-1] == '\n') && p[0] == '#' && p[1] != '\n' &&
		    (p[1] != ' ' || p[2] == ' '))
			p++;
		else
			*q++ = *p++;
	}
	*q = '\0';
	must_load(f, text);
	assert_non_null(f->cfg.homeserver.registration_shared_secret);
	free(text);
	free(path);
}

int
main(void)
{
#define T(name)	cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(defaults), T(whole_file), T(print), T(bad_files),
		T(unreadable), T(no_secret_in_messages),
		T(environment), T(bad_environment),
		T(generate), T(check), T(check_settings),
		T(bad_registrations), T(gateway), T(documented), T(example),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
