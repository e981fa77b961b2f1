/*
 * Settings: one row each in settings[], and everything about a setting is
 * there.  From the rows comes the field table by which the file is decoded (so
 * that a wrong line is shown with a caret and the nearest spelling), the
 * overrides of the environment, --print-config, and the manual is checked
 * against them.  To add a setting: a member in struct config, a row, its use.
 */
#include "hiclaw/config.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "hiclaw/api.h"
#include "hiclaw/log.h"
#include "hiclaw/matrix.h"
#include "hiclaw/policy.h"
#include "hiclaw/re.h"
#include "hiclaw/secure.h"

#include "config-int.h"

#ifndef HICLAW_COMMANDS_DIR
#define HICLAW_COMMANDS_DIR	"commands"
#endif
#ifndef HICLAW_TEMPLATES_DIR
#define HICLAW_TEMPLATES_DIR	"templates"
#endif
#define CONFIG_MAX	(256 * 1024)
#define ENV_PREFIX	"HICLAW_CFG_"
#define PATH_TEXT_MAX	4000
#define STATE_DIR	"/var/lib/hiclaw"

extern char **environ;

static const char *const log_levels[] = {
	"error", "warn", "info", "debug", NULL
};

static const char *const storages[] = { "", "directory", "minio", "s3", NULL };
static const char *const gateways[] = { "", "envoy", "higress", NULL };
static const char *const runtimes[] = { "openclaw", "copaw", "hermes", NULL };
static const char *const transports[] = { "http", "sse", NULL };
static const char *const askers[] = { "tier1", "tier2", "tier3", "agents",
	NULL };
static const char *const risks[] = { "create", "update", "restart",
	"permission", "credential", "delete", NULL };
static const char *const modes[] = { "run", "confirm", "approve", NULL };

#define A_URL	.max = 2000, .pattern = "|https?://[^/ ]+(/[^ ]*)?"
/* Names of providers and MCP servers are parts of paths. */
#define A_NAME	"[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?"

static const struct field provider_rows[] = {
	{ .name = "name", .type = FIELD_STRING, .required = true,
	    .pattern = A_NAME, .help = "name of the model provider",
	    .example = "qwen" },
	{ .name = "url", .type = FIELD_STRING, .required = true, .max = 2000,
	    .pattern = "https?://[^/ ]+(/[^ ]*)?",
	    .help = "base URL of its OpenAI-compatible API, with /v1",
	    .example = "https://llm.example.org/v1" },
	{ .name = "key", .type = FIELD_STRING, .max = 4000,
	    .help = "API key that the gateway puts in", .example = "sk-..." },
	{ .name = "models", .type = FIELD_LIST, .item = FIELD_STRING,
	    .max = 1000, .help = "models it serves, with * as wildcard",
	    .example = "[\"qwen*\"]" },
	{ .name = NULL }
};
static const struct field mcp_server_rows[] = {
	{ .name = "name", .type = FIELD_STRING, .required = true,
	    .pattern = A_NAME, .help = "name: /mcp-servers/<name> leads there",
	    .example = "github" },
	{ .name = "url", .type = FIELD_STRING, .required = true, .max = 2000,
	    .pattern = "https?://[^/ ]+(/[^ ]*)?",
	    .help = "address of the MCP server",
	    .example = "https://mcp.example.org/mcp" },
	{ .name = "transport", .type = FIELD_STRING, .values = transports,
	    .dflt = "http", .help = "transport of the protocol",
	    .example = "http" },
	{ .name = "key", .type = FIELD_STRING, .max = 4000,
	    .help = "bearer token that the gateway puts in",
	    .example = "ghp_..." },
	{ .name = NULL }
};

/* What each says is checked by policy_read. */
static const struct field policy_rule_rows[] = {
	{ .name = "asker", .type = FIELD_STRING, .values = askers,
	    .help = "whose changes; default: everybody's", .example = "tier2" },
	{ .name = "risk", .type = FIELD_LIST, .item = FIELD_STRING,
	    .values = risks, .help = "of which risks; default: all",
	    .example = "[permission, delete]" },
	{ .name = "mode", .type = FIELD_STRING, .values = modes,
	    .required = true, .help = "run at once, ask back, or wait for "
	    "approvals", .example = "approve" },
	{ .name = "approvers", .type = FIELD_LIST, .item = FIELD_STRING,
	    .max = 100, .help = "tier1, team (its tier 2) or Matrix ids",
	    .example = "[tier1, \"@ann:example.org\"]" },
	{ .name = "approvals", .type = FIELD_INT, .min = 1, .max = 20,
	    .help = "how many people", .example = "2" },
	{ .name = "requester", .type = FIELD_BOOL,
	    .help = "who asked may be one of them", .example = "false" },
	{ .name = "expires", .type = FIELD_STRING, .pattern = "[0-9]+[smhd]",
	    .max = 16, .help = "how long it waits", .example = "24h" },
	{ .name = NULL }
};
static const struct field policy_rows[] = {
	{ .name = "rules", .type = FIELD_LIST, .item = FIELD_OBJECT,
	    .max = 200, .fields = policy_rule_rows,
	    .help = "what changes need; a later one wins",
	    .example = "[{asker: tier1, risk: [delete], mode: approve}]" },
	{ .name = "freeze_windows", .type = FIELD_LIST, .item = FIELD_STRING,
	    .max = 50, .help = "times (UTC) in which nothing approved starts",
	    .example = "[\"Fri 17:00-Mon 08:00\"]" },
	{ .name = "delete_type_name_above", .type = FIELD_INT, .min = 0,
	    .max = 1000000, .help = "deletes of more resources ask for a word "
	    "typed", .example = "10" },
	{ .name = NULL }
};

static const char *const engines[] = { "", "docker", NULL };
static const char *const pulls[] = { "missing", "always", "never", NULL };
static const struct field registry_rows[] = {
	{ .name = "host", .type = FIELD_STRING, .required = true, .max = 255,
	    .pattern = "[A-Za-z0-9.-]+(:[0-9]{1,5})?",
	    .help = "host, as it stands in front of the image's name",
	    .example = "registry.example.org" },
	{ .name = "username", .type = FIELD_STRING, .required = true,
	    .max = 255, .help = "who we are there", .example = "ci" },
	{ .name = "password", .type = FIELD_STRING, .required = true,
	    .max = 4096, .help = "password or access token",
	    .example = "..." },
	{ .name = NULL }
};
#define AN_IMAGE(nm, h) \
	{ .name = nm, .type = FIELD_STRING, .min = 1, .max = 255, \
	    .pattern = "[A-Za-z0-9][A-Za-z0-9._/:@-]*", .help = h, \
	    .example = "hiclaw/nano:latest" }
static const struct field image_rows[] = {
	AN_IMAGE("openclaw", "image of the runtime openclaw"),
	AN_IMAGE("copaw", "image of the runtime copaw"),
	AN_IMAGE("hermes", "image of the runtime hermes"),
	AN_IMAGE("manager", "image of the Manager"),
	{ .name = NULL }
};

/* Members of such objects that nobody is shown. */
static const char *const inner_secrets[] = { "key", "password" };

/* A row: where it stands in the file, where in struct config, what it may be. */
struct setting {
	const char	*section;	/* NULL: at the top */
	size_t		 offset;
	bool		 secret;
	struct field	 field;
};
#define A_PATH		.min = 1, .max = PATH_TEXT_MAX, \
	.example = STATE_DIR "/file"
#define AT(member)	offsetof(struct config, member)
#define TEXT(sec, nm, member, d, h, ...) \
	{ sec, AT(member), false, { .name = nm, .type = FIELD_STRING, \
	.dflt = d, .help = h, __VA_ARGS__ } }
#define SECRET(sec, nm, member, h) \
	{ sec, AT(member), true, { .name = nm, .type = FIELD_STRING, \
	.help = h } }
#define NUMBER(sec, nm, member, lo, hi, d, h) \
	{ sec, AT(member), false, { .name = nm, .type = FIELD_INT, \
	.min = lo, .max = hi, .dflt = d, .help = h } }
#define FLAG(sec, nm, member, d, h) \
	{ sec, AT(member), false, { .name = nm, .type = FIELD_BOOL, \
	.dflt = d, .help = h } }

static const struct setting settings[] = {
	TEXT("homeserver", "url", homeserver.url, NULL,
	    "base URL of the client-server API, without /_matrix",
	    .pattern = "https?://[^/ ]+(/[^ ]*)?",
	    .example = "http://127.0.0.1:8008"),
	TEXT("homeserver", "domain", homeserver.domain, NULL,
	    "server name: what stands behind the colon in user ids",
	    .pattern = "[A-Za-z0-9.\\[\\]:-]+", .example = "example.org"),
	TEXT("homeserver", "registration", homeserver.registration,
	    "/etc/hiclaw/registration.yaml",
	    "registration file that the homeserver reads as well", A_PATH),
	TEXT("homeserver", "prefix", prefix, "hiclaw",
	    "how the names of the bot, agents and aliases begin",
	    .pattern = "[a-z][a-z0-9]{0,31}", .example = "hiclaw"),
	SECRET("homeserver", "registration_shared_secret",
	    homeserver.registration_shared_secret,
	    "Synapse's secret of that name: makes accounts for Humans"),
	SECRET("homeserver", "registration_token",
	    homeserver.registration_token,
	    "registration token: makes accounts for Humans elsewhere"),
	FLAG("homeserver", "federate", homeserver.federate, "false",
	    "rooms may be joined from other homeservers"),
	TEXT("homeserver", "room_version", homeserver.room_version, "\"12\"",
	    "version of the rooms that are made",
	    .pattern = "[0-9]{1,2}", .example = "\"12\""),
	TEXT(NULL, "listen", listen, "127.0.0.1:29301",
	    "address and port for the homeserver's pushes, /healthz, /metrics",
	    .pattern = "(\\[[0-9a-fA-F:.]+\\]|[^:\\[\\] ]+):[0-9]{1,5}",
	    .example = "127.0.0.1:29301"),
	TEXT(NULL, "database", database, STATE_DIR "/hiclaw.db",
	    "the SQLite file that holds all state", A_PATH),
	TEXT(NULL, "secrets_key", secrets_key, NULL,
	    "key file that seals secrets; default: the database's name + .key",
	    A_PATH),
	TEXT(NULL, "backups", backups, NULL,
	    "directory for backups; default: the database's name + .backups",
	    A_PATH),
	{ NULL, AT(admins), false, { .name = "admins", .type = FIELD_LIST,
	    .item = FIELD_STRING, .pattern = "@[^: ]+:[^ ]+", .min = 0,
	    .max = 1000, .help = "Matrix ids of those who may do everything",
	    .example = "[\"@you:example.org\"]" } },
	TEXT("storage", "provider", storage.provider, NULL,
	    "what keeps agent files; default: directory for a file:// URL, "
	    "else minio", .values = storages, .example = "minio"),
	TEXT("storage", "url", storage.url, "file://" STATE_DIR "/storage",
	    "where agent files go: a directory or an S3 server; empty: "
	    "nowhere", .pattern = "|file:///.+|https?://[^/ ]+",
	    .example = "file:///srv/hiclaw"),
	TEXT("storage", "agents_url", storage.agents_url, NULL,
	    "the S3 server as agents reach it; default: url", A_URL,
	    .example = "http://minio:9000"),
	TEXT("storage", "bucket", storage.bucket, "hiclaw-storage",
	    "bucket on an S3 server",
	    .pattern = "[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
	    .example = "hiclaw-storage"),
	TEXT("storage", "region", storage.region, "us-east-1",
	    "region that S3 requests are signed for",
	    .pattern = "[A-Za-z0-9-]{1,64}", .example = "us-east-1"),
	TEXT("storage", "access_key", storage.access_key, NULL,
	    "the controller's own S3 access key", .max = 256,
	    .example = "hiclaw"),
	SECRET("storage", "secret_key", storage.secret_key,
	    "the controller's own S3 secret key"),
	SECRET("storage", "session_token", storage.session_token,
	    "session token that goes with temporary S3 keys"),
	TEXT("storage", "imports", storage.imports, NULL,
	    "directory that file:// packages come from; unset: refused",
	    A_PATH),
	FLAG("storage", "private_packages", storage.private_packages, "false",
	    "http(s) and nacos packages may come from private addresses"),
	TEXT("gateway", "provider", gateway.provider, NULL,
	    "what leads agents to models and tools; unset: nothing",
	    .values = gateways, .example = "envoy"),
	TEXT("gateway", "url", gateway.url, "http://127.0.0.1:29302",
	    "where the gateway takes requests, without /v1", A_URL,
	    .example = "http://127.0.0.1:29302"),
	TEXT("gateway", "agents_url", gateway.agents_url, NULL,
	    "the same as agents reach it; default: url", A_URL,
	    .example = "http://10.89.0.1:29302"),
	TEXT("gateway", "directory", gateway.directory, STATE_DIR "/gateway",
	    "Envoy's configuration: written here, watched by it", A_PATH),
	{ "gateway", AT(gateway.listen), false, { .name = "listen",
	    .type = FIELD_LIST, .item = FIELD_STRING, .max = 16,
	    .pattern = "(\\[[0-9a-fA-F:.]+\\]|[0-9.]+):[0-9]{1,5}",
	    .help = "addresses and ports that Envoy listens on; default: "
	    "that of url", .example = "[\"127.0.0.1:29302\"]" } },
	TEXT("gateway", "console_url", gateway.console_url, NULL,
	    "the Higress Console", A_URL,
	    .example = "http://127.0.0.1:8001"),
	TEXT("gateway", "console_user", gateway.console_user, "admin",
	    "user of the Higress Console", .min = 1, .max = 64,
	    .example = "admin"),
	SECRET("gateway", "console_password", gateway.console_password,
	    "its password"),
	{ "gateway", AT(gateway.providers), true, { .name = "providers",
	    .type = FIELD_LIST, .item = FIELD_OBJECT, .max = 100,
	    .fields = provider_rows,
	    .help = "model providers; the first is the default",
	    .example = "[{name: qwen, url: \"https://llm.example.org/v1\"}]" } },
	{ "gateway", AT(gateway.mcp_servers), true, { .name = "mcp_servers",
	    .type = FIELD_LIST, .item = FIELD_OBJECT, .max = 1000,
	    .fields = mcp_server_rows, .help = "MCP servers behind the gateway",
	    .example = "[{name: github, url: \"https://mcp.example.org\"}]" } },
	TEXT("gateway", "expose_domain", gateway.expose_domain,
	    "local.hiclaw.io", "exposed ports are worker-NAME-PORT-DOMAIN",
	    .pattern = "[a-z0-9]([a-z0-9.-]*[a-z0-9])?",
	    .example = "local.hiclaw.io"),
	FLAG("gateway", "expose_open", gateway.expose_open, "false",
	    "exposed ports ask for no key"),
	NUMBER("gateway", "rotation_overlap", gateway.rotation_overlap_s, 0,
	    86400, "600", "seconds that a rotated key still works"),
	TEXT("containers", "provider", containers.provider, NULL,
	    "what runs agents; unset: nothing", .values = engines,
	    .example = "docker"),
	TEXT("containers", "url", containers.url,
	    "unix:///var/run/docker.sock",
	    "the Engine API of Docker or Podman: a socket, or tcp://host:port",
	    .max = PATH_TEXT_MAX,
	    .pattern = "unix:///.+|(tcp|https?)://[^/ ]+",
	    .example = "unix:///run/podman/podman.sock"),
	TEXT("containers", "ca_file", containers.ca_file, NULL,
	    "authority of the engine's certificate; with it tcp:// is TLS",
	    A_PATH),
	TEXT("containers", "cert_file", containers.cert_file, NULL,
	    "our certificate for the engine", A_PATH),
	TEXT("containers", "key_file", containers.key_file, NULL,
	    "its key", A_PATH),
	TEXT("containers", "network", containers.network, NULL,
	    "network of agents, made when missing; host: that of the machine; "
	    "default: the id of the registration",
	    .pattern = "[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", .example = "host"),
	TEXT("containers", "subnet", containers.subnet, "10.89.64.0/24",
	    "addresses of that network; the first is the machine's",
	    .pattern = "[0-9]{1,3}(\\.[0-9]{1,3}){3}/[0-9]{1,2}",
	    .example = "10.89.64.0/24"),
	TEXT("containers", "pull", containers.pull, "missing",
	    "when to pull an image", .values = pulls, .example = "always"),
	{ "containers", AT(containers.registries), true, {
	    .name = "registries", .type = FIELD_LIST, .item = FIELD_OBJECT,
	    .max = 100, .fields = registry_rows,
	    .help = "who we are at registries of images",
	    .example = "[{host: registry.example.org, username: ci, "
	    "password: x}]" } },
	NUMBER("containers", "memory", containers.memory_mb, 0, 1048576,
	    "2048", "MiB of memory of a container; 0: no limit"),
	NUMBER("containers", "cpu", containers.cpu_m, 0, 1024000, "2000",
	    "thousandths of a core of a container; 0: no limit"),
	NUMBER("containers", "pids", containers.pids, 0, 1000000, "1024",
	    "processes and threads of a container; 0: no limit"),
	NUMBER("containers", "stop_timeout", containers.stop_s, 1, 600, "10",
	    "seconds that an agent has to end by itself"),
	FLAG("containers", "read_only", containers.read_only, "false",
	    "the root file system of containers is read-only"),
	TEXT("containers", "user", containers.user, NULL,
	    "user and group in the container; default: who can read the homes, "
	    "or the image's", .pattern = "[0-9]+(:[0-9]+)?",
	    .example = "\"1000:1000\""),
	TEXT("containers", "homes", containers.homes, NULL,
	    "the storage's directory as the engine's machine sees it; default: "
	    "that of storage.url", A_PATH),
	TEXT("agents", "homeserver_url", agents.homeserver_url, NULL,
	    "the homeserver as agents reach it; default: homeserver.url",
	    A_URL, .example = "http://10.89.0.1:29302"),
	TEXT("agents", "controller_url", agents.controller_url, NULL,
	    "our own API as agents reach it, without /api/v1; default: "
	    "gateway.agents_url with provider envoy, else none", A_URL,
	    .example = "http://10.89.64.1:29302"),
	{ "agents", AT(agents.images), false, { .name = "images",
	    .type = FIELD_OBJECT, .fields = image_rows,
	    .help = "image of each runtime, and of the Manager",
	    .example = "{openclaw: \"hiclaw/nano:latest\"}" } },
	TEXT("agents", "idle_timeout", agents.idle_timeout, "12h",
	    "after how long an idle agent is put to sleep; 0s: never",
	    .pattern = "([0-9]+(s|m|h|d))+", .max = 32, .example = "30m"),
	TEXT("agents", "runtime", agents.runtime, "openclaw",
	    "runtime of agents that name none", .values = runtimes,
	    .example = "openclaw"),
	TEXT("agents", "model", agents.model, "qwen3.6-plus",
	    "model of agents that name none", .pattern = "[^ ]+",
	    .max = 256, .example = "qwen3.6-plus"),
	SECRET("api", "admin_token", api.admin_token,
	    "bearer token of the first admin for our REST API"),
	TEXT("chat", "commands", chat.commands, HICLAW_COMMANDS_DIR,
	    "directory of the command files", A_PATH),
	TEXT("chat", "commands_extra", chat.commands_extra, NULL,
	    "directory of command files of your own, in addition", A_PATH),
	TEXT("chat", "templates", chat.templates, HICLAW_TEMPLATES_DIR,
	    "directory of the reply and file templates", A_PATH),
	NUMBER("chat", "question_ttl", chat.question_ttl_s, 10, 86400, "300",
	    "seconds until an unanswered question expires"),
	NUMBER("chat", "password_ttl", chat.password_ttl_s, 60, 86400, "3600",
	    "seconds until a password shown in a DM is removed unread"),
	NUMBER("chat", "live_interval", chat.live_interval_ms, 100, 60000,
	    "1500", "milliseconds between edits of a live message"),
	NUMBER("chat", "rate", chat.rate, 0, 100000, "30",
	    "commands of one person in a minute; 0: any number"),
	{ "chat", AT(chat.policy), false, { .name = "policy",
	    .type = FIELD_OBJECT, .fields = policy_rows,
	    .help = "what changes need before they run",
	    .example = "{delete_type_name_above: 3}" } },
	NUMBER("engine", "resync", engine.resync_s, 1, 86400, "30",
	    "seconds between looks at what events may have missed"),
	NUMBER("engine", "threads", engine.threads, 1, 64, "16",
	    "calls in flight over all outside systems, each at most"),
	NUMBER("engine", "run_limit", engine.run_limit_s, 1, 86400, "240",
	    "seconds until a run is reported as failed; work goes on"),
	TEXT("log", "level", log.level, "info", "how much is logged",
	    .values = log_levels),
	FLAG("log", "json", log.json, "false", "one JSON object per line"),
};

/* --- rows and values ------------------------------------------------------- */

/* Objects are kept as JSON. */
static bool
is_tree(const struct setting *s)
{
	return s->field.type == FIELD_OBJECT ||
	    (s->field.type == FIELD_LIST && s->field.item == FIELD_OBJECT);
}

static void *
place(struct config *c, const struct setting *s)
{
	return (char *)c + s->offset;
}

static void
setting_store(struct config *c, const struct setting *s,
    const struct json *value)
{
	const char *given = json_value_str(value);
	const struct json *v;
	struct strv *list;
	char **text;

	if (is_tree(s)) {
		json_wipe(*(struct json **)place(c, s));
		*(struct json **)place(c, s) = json_copy(value);
		return;
	}
	switch (s->field.type) {
	case FIELD_INT:
		*(int64_t *)place(c, s) = json_value_int(value, 0);
		break;
	case FIELD_BOOL:
		*(bool *)place(c, s) = json_value_bool(value, false);
		break;
	case FIELD_LIST:
		list = place(c, s);
		strv_release(list);
		for (v = json_first(value); v != NULL; v = json_next(v))
			strv_add(list, json_value_str(v));
		break;
	default:
		if (s->field.dflt == NULL && str_equal(given, ""))
			given = NULL;
		text = place(c, s);
		secret_free(*text);
		*text = xstrdup(given);
	}
}

static void
setting_default(struct config *c, const struct setting *s)
{
	struct json *value;
	struct err err;

	if (s->field.dflt == NULL)
		return;
	value = yaml_json(s->field.dflt, strlen(s->field.dflt), &err);
	setting_store(c, s, value);
	json_free(value);
}

/* A table as table_decode wants it, sections in order of first appearance. */
struct rows {
	struct field	*top;
	struct field	*sections[16];
	size_t		 n;
};

static bool
is_first_of_section(size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (str_equal(settings[i].section, settings[at].section))
			return false;
	return true;
}

static struct field *
section_rows(const char *section)
{
	struct field *rows = xcalloc(NELEM(settings) + 1, sizeof *rows);
	size_t n = 0;

	for (size_t i = 0; i < NELEM(settings); i++)
		if (str_equal(settings[i].section, section))
			rows[n++] = settings[i].field;
	return rows;
}

static void
rows_make(struct rows *r)
{
	size_t n = 0;

	memset(r, 0, sizeof *r);
	r->top = xcalloc(NELEM(settings) + 1, sizeof *r->top);
	for (size_t i = 0; i < NELEM(settings); i++) {
		const struct setting *s = &settings[i];

		if (s->section == NULL) {
			r->top[n++] = s->field;
		} else if (is_first_of_section(i)) {
			assert(r->n < NELEM(r->sections));
			r->sections[r->n] = section_rows(s->section);
			r->top[n].name = s->section;
			r->top[n].type = FIELD_OBJECT;
			r->top[n].help = "a section";
			r->top[n++].fields = r->sections[r->n++];
		}
	}
}

static void
rows_release(struct rows *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->sections[i]);
	free(r->top);
}

/* --- the file --------------------------------------------------------------- */

char *
config_file(const char *path, size_t max, size_t *len, struct err *err)
{
	char *text = xmalloc(max + 2);
	FILE *f = fopen(path, "re");

	if (f == NULL) {
		err_set(err, ERR_USER, "%s: %s", path, strerror(errno));
		free(text);
		return NULL;
	}
	*len = fread(text, 1, max + 1, f);
	text[*len] = '\0';
	if (ferror(f))
		err_set(err, ERR_USER, "%s: cannot be read", path);
	else if (*len > max)
		err_set(err, ERR_USER, "%s: larger than %zu bytes", path, max);
	if (ferror(f) || *len > max) {
		secret_free(text);
		text = NULL;
	}
	fclose(f);
	return text;
}

/* "  key: value" to "  key: ..."; a line without a key is not shown at all. */
static void
hide_value(struct problem *p)
{
	size_t at;
	char *cut = NULL;

	if (p->source == NULL)
		return;
	at = strspn(p->source, " ");
	at += strspn(p->source + at, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.");
	if (p->source[at] == ':')
		cut = xasprintf("%.*s: ...", (int)at, p->source);
	secret_free(p->source);
	p->source = cut;
}

/* The setting itself, or what is in one that has secrets in it. */
static bool
is_secret_path(const char *path, const char *secret)
{
	const char *dot = path != NULL ? strrchr(path, '.') : NULL;

	if (path == NULL || strcmp(path, secret) == 0)
		return path != NULL;
	if (!str_starts(path, secret) || path[strlen(secret)] != '[')
		return false;
	for (size_t i = 0; i < NELEM(inner_secrets); i++)
		if (dot != NULL && strcmp(dot + 1, inner_secrets[i]) == 0)
			return true;
	return false;
}

/*
 * Any line may hold a secret, be it under a mistyped key, so no value is shown;
 * and what is wrong with a secret's own value is said without it.
 */
void
config_hide(struct problems *ps, const char *const *secrets)
{
	for (size_t i = 0; i < ps->n; i++) {
		struct problem *p = &ps->v[i];

		hide_value(p);
		for (const char *const *s = secrets; *s != NULL; s++)
			if (is_secret_path(p->path, *s)) {
				secret_free(p->what);
				p->what = xstrdup("expected a text on one line, "
				    "in quotes");
			}
	}
}

/* The names of the secret settings, as problems have them. */
static void
hide_secrets(struct problems *ps)
{
	struct strv names = { 0 };

	for (size_t i = 0; i < NELEM(settings); i++)
		if (settings[i].secret)
			strv_addf(&names, "%s.%s", settings[i].section,
			    settings[i].field.name);
	config_hide(ps, (const char *const *)names.v);
	strv_release(&names);
}

/* Said once, here: config_check does not know where the settings are from. */
static void
warn_readable(const struct config *c, const char *path)
{
	bool any = false;
	struct stat st;

	for (size_t i = 0; i < NELEM(settings); i++)
		any = any || (settings[i].secret && *(void *const *)
		    ((const char *)c + settings[i].offset) != NULL);
	if (any && stat(path, &st) == 0 && (st.st_mode & S_IROTH) != 0)
		log_warn("config", "%s holds a secret and others may read it; "
		    "chmod o-rwx %s", path, path);
}

static int
load_file(struct config *c, const char *path, struct err *err)
{
	struct problems problems = { 0 };
	struct json *file = NULL;
	struct rows rows;
	char *text, *said;
	size_t len;
	int rc = -1;

	if ((text = config_file(path, CONFIG_MAX, &len, err)) == NULL)
		return -1;
	rows_make(&rows);
	file = table_decode(rows.top, text, len, &problems);
	if (problems.errors > 0) {
		hide_secrets(&problems);
		said = problems_text(&problems);
		err_set(err, ERR_USER, "%s:\n%s", path, said);
		free(said);
		goto out;
	}
	for (size_t i = 0; i < NELEM(settings); i++) {
		const struct setting *s = &settings[i];
		const struct json *v = json_get(s->section != NULL ?
		    json_get(file, s->section) : file, s->field.name);

		if (v != NULL && !json_is(v, JSON_NULL))
			setting_store(c, s, v);
	}
	warn_readable(c, path);
	rc = 0;
out:
	problems_release(&problems);
	json_free(file);
	rows_release(&rows);
	secret_free(text);
	return rc;
}

/* --- the environment ---------------------------------------------------------- */

static char *
env_name(const struct setting *s)
{
	char *name = s->section == NULL ?
	    xasprintf("%s%s", ENV_PREFIX, s->field.name) :
	    xasprintf("%s%s_%s", ENV_PREFIX, s->section, s->field.name);

	for (char *p = name; *p != '\0'; p++)
		*p = (char)toupper((unsigned char)*p);
	return name;
}

/* Text of a variable as a value of the row: texts are taken as they are. */
static struct json *
env_value(const struct setting *s, const char *text, struct err *err)
{
	struct strv parts = { 0 };
	struct json *v;

	if (is_tree(s))
		return yaml_json(text, strlen(text), err);
	switch (s->field.type) {
	case FIELD_INT:
	case FIELD_BOOL:
		return yaml_json(text, strlen(text), err);
	case FIELD_LIST:
		v = json_array();
		strv_split(&parts, text, ',');
		for (size_t i = 0; i < parts.n; i++) {
			char *part = parts.v[i] + strspn(parts.v[i], " ");

			part[strcspn(part, " ")] = '\0';
			json_push_str(v, part);
		}
		strv_release(&parts);
		return v;
	default:
		return json_string(text);
	}
}

static int
env_unknown(const char *name, size_t len, struct err *err)
{
	const char *words[NELEM(settings) + 1] = { NULL }, *near;
	char *given = xstrndup(name, len);

	for (size_t i = 0; i < NELEM(settings); i++)
		words[i] = env_name(&settings[i]);
	near = str_nearest(given, words);
	err_set(err, ERR_USER, "%s in the environment is no setting%s%s%s",
	    given, near ? "; did you mean " : "", near ? near : "",
	    near ? "?" : "");
	for (size_t i = 0; i < NELEM(settings); i++)
		free((char *)words[i]);
	free(given);
	return -1;
}

static int
load_variable(struct config *c, const char *var, struct err *err)
{
	const char *eq = strchr(var, '=');
	const struct setting *s = NULL;
	struct json *value;
	char *name = NULL;
	int rc;

	for (size_t i = 0; i < NELEM(settings) && s == NULL; i++) {
		name = env_name(&settings[i]);
		if (strlen(name) == (size_t)(eq - var) &&
		    strncmp(name, var, (size_t)(eq - var)) == 0)
			s = &settings[i];
		else
			free(name);
	}
	if (s == NULL)
		return env_unknown(var, (size_t)(eq - var), err);
	value = env_value(s, eq + 1, err);
	if (value == NULL)
		rc = -1;
	else if (eq[1] == '\0' && s->field.type == FIELD_STRING &&
	    s->field.dflt == NULL)
		rc = 0;			/* takes back what the file sets */
	else if (json_is(value, JSON_NULL))
		rc = err_set(err, ERR_USER, "is empty; unset it for the "
		    "default, %s", s->field.dflt);
	else
		rc = field_check(&s->field, value, err);
	if (rc == -1)
		err_prefix(err, "%s", name);
	else
		setting_store(c, s, value);
	json_free(value);
	free(name);
	return rc;
}

static void
strip_slashes(char *url)
{
	size_t n = url != NULL ? strlen(url) : 0;

	while (n > 0 && url[n - 1] == '/')
		url[--n] = '\0';
}

static int
load_environment(struct config *c, struct err *err)
{
	for (char **e = environ; *e != NULL; e++)
		if (str_starts(*e, ENV_PREFIX) && strchr(*e, '=') != NULL &&
		    load_variable(c, *e, err) == -1)
			return -1;
	return 0;
}

static void
default_to(char **setting, const char *value)
{
	if (*setting == NULL)
		*setting = xstrdup(value);
	strip_slashes(*setting);
}

/* What is not said follows from what is. */
static void
load_derived(struct config *c)
{
	const char *url = c->storage.url == NULL ? "" : c->storage.url;

	if (c->storage.provider == NULL)
		c->storage.provider = xstrdup(url[0] == '\0' ? "" :
		    str_starts(url, "file:") ? "directory" : "minio");
	if (c->gateway.provider == NULL)
		c->gateway.provider = xstrdup("");
	/* A directory is reached by no URL. */
	default_to(&c->storage.agents_url,
	    str_starts(url, "file:") ? NULL : url);
	default_to(&c->gateway.agents_url, c->gateway.url);
	default_to(&c->agents.homeserver_url, c->homeserver.url);
	default_to(&c->agents.controller_url,
	    strcmp(c->gateway.provider, "envoy") == 0 ?
	    c->gateway.agents_url : NULL);
	if (c->containers.provider == NULL)
		c->containers.provider = xstrdup("");
	if (c->containers.homes == NULL &&
	    strcmp(c->storage.provider, "directory") == 0 &&
	    str_starts(url, "file://"))
		c->containers.homes = xstrdup(url + strlen("file://"));
	if (c->gateway.listen.n == 0 && c->gateway.url != NULL &&
	    str_starts(c->gateway.url, "http://"))
		strv_addf(&c->gateway.listen, "%s",
		    c->gateway.url + strlen("http://"));
}

int
config_load(struct config *c, const char *path, struct err *err)
{
	memset(c, 0, sizeof *c);
	for (size_t i = 0; i < NELEM(settings); i++)
		setting_default(c, &settings[i]);
	if ((path != NULL && load_file(c, path, err) == -1) ||
	    load_environment(c, err) == -1) {
		config_release(c);
		return -1;
	}
	if (c->secrets_key == NULL)
		c->secrets_key = xasprintf("%s.key", c->database);
	if (c->backups == NULL)
		c->backups = xasprintf("%s.backups", c->database);
	strip_slashes(c->homeserver.url);
	if (!str_equal(c->storage.url, "file:///"))
		strip_slashes(c->storage.url);
	strip_slashes(c->gateway.url);
	strip_slashes(c->gateway.console_url);
	load_derived(c);
	return 0;
}

/* --- checks -------------------------------------------------------------------- */

static int
require(const char *value, const char *name, const char *variable,
    const char *example, struct err *err)
{
	if (value != NULL && value[0] != '\0')
		return 0;
	return err_set(err, ERR_USER, "%s is not set; expected, for example, "
	    "%s: set it in the configuration file or as "
	    ENV_PREFIX "%s in the environment", name, example, variable);
}

static int
fits_any(const struct strv *patterns, const char *what, const char *name,
    const char *registration, struct err *err)
{
	for (size_t i = 0; i < patterns->n; i++)
		if (re_match(patterns->v[i], name))
			return 0;
	return err_set(err, ERR_USER, "%s: no exclusive namespace of %s "
	    "covers %s; check homeserver.domain and homeserver.prefix, "
	    "or make the file anew with --generate-registration", registration, what, name);
}

static int
check_namespaces(const struct config *c, struct err *err)
{
	const char *p = c->prefix, *d = c->homeserver.domain;
	char *bot = xasprintf("@%s:%s", p, d);
	char *agent = xasprintf("@%s_a-1:%s", p, d);
	char *alias = xasprintf("#%s_worker_a-1:%s", p, d);
	const char *file = c->homeserver.registration;
	int rc = 0;

	if (strcmp(c->sender, p) == 0)
		/* Synapse answers 500 to a sync by the sender. */
		rc = err_set(err, ERR_USER, "%s: sender_localpart is the bot's "
		    "own name; name a spare account, for example "
		    "sender_localpart: _%s_as", file, p);
	else if (fits_any(&c->user_regex, "users", bot, file, err) == -1 ||
	    fits_any(&c->user_regex, "users", agent, file, err) == -1 ||
	    fits_any(&c->alias_regex, "aliases", alias, file, err) == -1)
		rc = -1;
	free(bot);
	free(agent);
	free(alias);
	return rc;
}

static int
check_admins(const struct config *c, struct err *err)
{
	if (c->admins.n == 0)
		return err_set(err, ERR_USER, "admins is empty: nobody could "
		    "command the controller; set it, for example "
		    "admins: [\"@you:%s\"]", c->homeserver.domain);
	for (size_t i = 0; i < c->admins.n; i++)
		if (c->admins.v[i][0] != '@' ||
		    !mxid_valid(c->admins.v[i]))
			return err_set(err, ERR_USER, "admins: \"%s\" is not a "
			    "full Matrix id such as @you:%s", c->admins.v[i],
			    c->homeserver.domain);
	return 0;
}

/* An agent or the bot itself cannot be the one who gives orders. */
static int
check_admins_outside(const struct config *c, struct err *err)
{
	for (size_t i = 0; i < c->admins.n; i++)
		for (size_t j = 0; j < c->user_regex.n; j++)
			if (re_match(c->user_regex.v[j], c->admins.v[i]))
				return err_set(err, ERR_USER, "admins: %s is a "
				    "name of the bot or an agent, by the "
				    "namespace in %s; name a person",
				    c->admins.v[i],
				    c->homeserver.registration);
	return 0;
}

static int
check_storage(const struct config *c, struct err *err)
{
	const char *provider = c->storage.provider, *url = c->storage.url;
	bool is_file = url != NULL && str_starts(url, "file:");

	if (provider[0] == '\0')
		return 0;
	if (strcmp(provider, "directory") == 0)
		return is_file ? 0 : err_set(err, ERR_USER, "storage.url: a "
		    "directory reads file:///absolute/path");
	if (is_file || url == NULL || url[0] == '\0')
		return err_set(err, ERR_USER, "storage.url: %s reads "
		    "http://host:port or https://host", provider);
	if (require(c->storage.access_key, "storage.access_key",
	    "STORAGE_ACCESS_KEY", "hiclaw", err) == -1)
		return -1;
	return require(c->storage.secret_key, "storage.secret_key",
	    "STORAGE_SECRET_KEY", "a long random text", err);
}

static int
check_gateway(const struct config *c, struct err *err)
{
	const char *provider = c->gateway.provider;

	if (provider[0] == '\0')
		return 0;
	if (strcmp(provider, "higress") == 0 &&
	    (require(c->gateway.console_url, "gateway.console_url",
	    "GATEWAY_CONSOLE_URL", "http://127.0.0.1:8001", err) == -1 ||
	    require(c->gateway.console_password, "gateway.console_password",
	    "GATEWAY_CONSOLE_PASSWORD", "the password of the Console",
	    err) == -1))
		return -1;
	if (strcmp(provider, "envoy") == 0 && c->gateway.listen.n == 0)
		return err_set(err, ERR_USER, "gateway.listen: say on which "
		    "address and port Envoy listens, for example "
		    "[\"127.0.0.1:29302\"]");
	return 0;
}

static int
check_containers(const struct config *c, struct err *err)
{
	const char *ca = c->containers.ca_file, *url = c->containers.url;

	if (c->containers.provider[0] == '\0')
		return 0;
	if (c->storage.provider[0] == '\0')
		return err_set(err, ERR_USER, "containers.provider: agents need "
		    "homes; set storage.url as well, for example file:///srv/"
		    "hiclaw");
	if (str_starts(url, "https://") && ca == NULL)
		return err_set(err, ERR_USER, "containers.ca_file: %s needs the "
		    "authority of the engine's certificate", url);
	if ((c->containers.cert_file == NULL) !=
	    (c->containers.key_file == NULL))
		return err_set(err, ERR_USER, "containers.cert_file and "
		    "containers.key_file go together");
	return 0;
}

static int
check_policy(const struct config *c, struct err *err)
{
	struct policy *p = policy_read(c->chat.policy,
	    c->chat.question_ttl_s * 1000, err);

	if (p == NULL)
		return err_prefix(err, "chat.policy");
	policy_free(p);
	return 0;
}

int
config_check(struct config *c, struct err *err)
{
	if (require(c->homeserver.url, "homeserver.url", "HOMESERVER_URL",
	    "http://127.0.0.1:8008", err) == -1 ||
	    require(c->homeserver.domain, "homeserver.domain",
	    "HOMESERVER_DOMAIN", "example.org", err) == -1 ||
	    check_admins(c, err) == -1 || check_storage(c, err) == -1 ||
	    check_gateway(c, err) == -1 || check_containers(c, err) == -1 ||
	    check_policy(c, err) == -1)
		return -1;
	if (registration_load(c, c->homeserver.registration, err) == -1)
		return -1;
	if (check_namespaces(c, err) == -1)
		return -1;
	return check_admins_outside(c, err);
}

/* --- printing and end ----------------------------------------------------------- */

/* A list of objects with their keys masked. */
static struct json *
tree_masked(const struct json *list)
{
	struct json *copy = json_copy(list), *v;

	for (v = json_first(copy); v != NULL; v = json_next(v))
		for (size_t i = 0; i < NELEM(inner_secrets); i++)
			if (json_get(v, inner_secrets[i]) != NULL)
				json_set_str(v, inner_secrets[i], "***");
	return copy;
}

static struct json *
setting_json(const struct config *c, const struct setting *s)
{
	const void *at = (const char *)c + s->offset;
	const struct strv *list;
	struct json *v;

	if (is_tree(s))
		return tree_masked(*(struct json *const *)at);
	switch (s->field.type) {
	case FIELD_INT:
		return json_number((double)*(const int64_t *)at);
	case FIELD_BOOL:
		return json_boolean(*(const bool *)at);
	case FIELD_LIST:
		list = at;
		v = json_array();
		for (size_t i = 0; i < list->n; i++)
			json_push_str(v, list->v[i]);
		return v;
	default:
		if (*(char *const *)at == NULL)
			return NULL;
		return json_string(s->secret ? "***" : *(char *const *)at);
	}
}

char *
config_print(const struct config *c)
{
	struct json *o = json_object();
	char *text;

	for (size_t i = 0; i < NELEM(settings); i++) {
		const struct setting *s = &settings[i];
		struct json *v = setting_json(c, s);

		if (v != NULL)
			json_set(s->section != NULL ? json_obj(o, s->section) :
			    o, s->field.name, v);
	}
	text = json_yaml(o);
	json_free(o);
	return text;
}

void
config_release(struct config *c)
{
	for (size_t i = 0; i < NELEM(settings); i++) {
		const struct setting *s = &settings[i];

		if (is_tree(s))
			json_wipe(*(struct json **)place(c, s));
		else if (s->field.type == FIELD_LIST)
			strv_release(place(c, s));
		else if (s->field.type == FIELD_STRING)
			secret_free(*(char **)place(c, s));
	}
	free(c->as_id);
	secret_free(c->as_token);
	secret_free(c->hs_token);
	free(c->sender);
	strv_release(&c->user_regex);
	strv_release(&c->alias_regex);
	memset(c, 0, sizeof *c);
}
