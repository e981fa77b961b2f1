/*
 * The field tables of the four kinds.
 *
 * A row is the only place where a field is described; decoder, validation,
 * defaults, explain, diff, CRDs and JSON Schema read it.  Rows that several
 * kinds share are macros, sub-objects that several kinds share are tables, so
 * that a rule is written once.
 *
 * How a row is read: `pattern` and `values` are of the value itself, of each
 * item of a list of strings, and (pattern only) of the keys of a map; `min`
 * and `max` bound an integer, the characters of a string, or the number of
 * items.  Patterns stay within what PCRE2, RE2 and ECMAScript have in common,
 * because they are exported.
 */
#include "api-int.h"

#define TEXT_MAX	131072
#define ITEMS_MAX	10000
#define DURATION	"([0-9]+(ms|s|m|h|d))+"
#define END		{ .name = NULL }

static const char *const state_values[] = {
	"Running", "Sleeping", "Stopped", NULL
};
static const char *const worker_runtimes[] = {
	"openclaw", "copaw", "hermes", NULL
};
static const char *const manager_runtimes[] = { "openclaw", "copaw", NULL };
static const char *const auth_types[] = {
	"sts-hiclaw", "nacos", "none", NULL
};
static const char *const transports[] = { "http", "sse", NULL };
static const char *const protocols[] = { "http", "grpc", NULL };
static const char *const services[] = {
	"object-storage", "ai-gateway", "ai-registry", NULL
};
static const char *const permissions[] = {
	"read", "write", "list", "delete", NULL
};
static const char *const member_roles[] = { "coordinator", NULL };
static const char *const agent_phases[] = {
	"Pending", "Running", "Sleeping", "Updating", "Stopped", "Failed",
	"Deleting", NULL
};
static const char *const team_phases[] = {
	"Pending", "Active", "Degraded", "Failed", "Deleting", NULL
};
static const char *const human_phases[] = {
	"Pending", "Active", "Failed", "Deleting", NULL
};
static const char *const team_roles[] = { "team_leader", "worker", NULL };

/* --- metadata ------------------------------------------------------------ */

const char *const metadata_ignored[] = {
	"uid", "resourceVersion", "creationTimestamp", "generation",
	"managedFields", "selfLink", "finalizers", "ownerReferences",
	"deletionTimestamp", "deletionGracePeriodSeconds", NULL
};

const struct field metadata_fields[] = {
	{ .name = "name", .type = FIELD_STRING, .required = true,
	    .pattern = NAME_PATTERN, .immutable = true,
	    .help = "Name of the resource, unique within its kind.",
	    .example = "alice" },
	{ .name = "labels", .type = FIELD_MAP, .pattern = LABEL_KEY,
	    .max = 64, .help = "Words to select resources by.",
	    .example = "{tier: frontend}",
	    .shown = SHOWN_HINT },
	{ .name = "annotations", .type = FIELD_MAP, .pattern = LABEL_KEY,
	    .max = 64, .help = "Free notes; nothing selects by them.",
	    .example = "{contact: ops}" },
	{ .name = "namespace", .type = FIELD_STRING,
	    .help = "Accepted for files written for Kubernetes; ignored.",
	    .example = "default" },
	END
};

/* --- shared sub-objects -------------------------------------------------- */

const struct field remote_skill_item_fields[] = {
	{ .name = "name", .type = FIELD_STRING, .required = true,
	    .min = 1, .max = 128, .pattern = "[A-Za-z0-9_][A-Za-z0-9._-]*",
	    .effect = EFFECT_FILES, .help = "Name of the skill at the source.",
	    .example = "pdf-reader" },
	{ .name = "version", .type = FIELD_STRING, .min = 1, .max = 128,
	    .effect = EFFECT_FILES,
	    .help = "Exact version; not together with label.",
	    .example = "\"1.2.0\"" },
	{ .name = "label", .type = FIELD_STRING, .min = 1, .max = 128,
	    .effect = EFFECT_FILES,
	    .help = "Moving label; not together with version.",
	    .example = "stable" },
	END
};

static const struct field remote_skill_fields[] = {
	{ .name = "source", .type = FIELD_STRING, .required = true,
	    .max = 1024, .pattern = "nacos://[^/\\s]+/[^/?#\\s]+",
	    .effect = EFFECT_FILES,
	    .help = "Where the skills are: nacos://host:port/namespace.",
	    .example = "nacos://nacos.example.org:8848/public" },
	{ .name = "authType", .type = FIELD_STRING, .values = auth_types,
	    .effect = EFFECT_FILES,
	    .help = "How to sign in; nacos when the source carries "
	    "credentials, else none.", .example = "none" },
	{ .name = "skills", .type = FIELD_LIST, .item = FIELD_OBJECT,
	    .required = true, .min = 1, .max = 100, .effect = EFFECT_FILES,
	    .help = "Which skills to fetch.", .example = "[{name: pdf-reader}]",
	    .fields = remote_skill_item_fields },
	END
};

static const struct field mcp_server_fields[] = {
	{ .name = "name", .type = FIELD_STRING, .required = true,
	    .min = 1, .max = 128, .pattern = "[A-Za-z0-9_][A-Za-z0-9._-]*",
	    .effect = EFFECT_FILES,
	    .help = "Key under which the agent sees the server.",
	    .example = "github" },
	{ .name = "url", .type = FIELD_STRING, .required = true,
	    .max = 2048, .pattern = "https?://[^\\s]+",
	    .effect = EFFECT_FILES, .help = "Address, used as it is.",
	    .example = "https://mcp.example.org/github" },
	{ .name = "transport", .type = FIELD_STRING, .values = transports,
	    .dflt = "http", .effect = EFFECT_FILES,
	    .help = "Transport of the protocol.", .example = "sse" },
	END
};

const struct field expose_fields[] = {
	{ .name = "port", .type = FIELD_INT, .required = true,
	    .min = 1, .max = 65535, .effect = EFFECT_NONE,
	    .help = "Port that the agent listens on.", .example = "8080" },
	{ .name = "protocol", .type = FIELD_STRING, .values = protocols,
	    .dflt = "http", .effect = EFFECT_NONE,
	    .help = "What is spoken on it.", .example = "grpc" },
	END
};

static const struct field resource_fields[] = {
	{ .name = "memory", .type = FIELD_STRING, .max = 16,
	    .pattern = "[1-9][0-9]*(Ki|Mi|Gi)?", .effect = EFFECT_RECREATE,
	    .help = "Memory, beyond which it is killed.",
	    .example = "512Mi" },
	{ .name = "cpu", .type = FIELD_STRING, .max = 16,
	    .pattern = "[0-9]+m|[0-9]+(\\.[0-9]{1,3})?",
	    .effect = EFFECT_RECREATE,
	    .help = "Processor time: cores, or thousandths with m.",
	    .example = "500m" },
	{ .name = "pids", .type = FIELD_INT, .min = 1, .max = 1000000,
	    .effect = EFFECT_RECREATE, .help = "Processes and threads.",
	    .example = "200" },
	END
};

#define POLICY_ROW(field_name, text) \
	{ .name = field_name, .type = FIELD_LIST, .item = FIELD_STRING, \
	    .max = 1000, .pattern = MXID_PATTERN "|[a-z0-9._=/+-]+", \
	    .effect = EFFECT_PERMISSION, .help = text, \
	    .example = "[bob, \"@eve:example.org\"]" }

static const struct field channel_policy_fields[] = {
	POLICY_ROW("groupAllowExtra",
	    "Also heard in rooms: names or full Matrix IDs."),
	POLICY_ROW("groupDenyExtra",
	    "Not heard in rooms, whatever allows them."),
	POLICY_ROW("dmAllowExtra", "Also heard in direct chats."),
	POLICY_ROW("dmDenyExtra", "Not heard in direct chats."),
	END
};

const struct field access_entry_fields[] = {
	{ .name = "service", .type = FIELD_STRING, .required = true,
	    .values = services, .effect = EFFECT_PERMISSION,
	    .help = "The service that access is given to.",
	    .example = "object-storage" },
	{ .name = "permissions", .type = FIELD_LIST, .item = FIELD_STRING,
	    .max = 4, .values = permissions, .effect = EFFECT_PERMISSION,
	    .help = "What may be done there.", .example = "[read, list]" },
	{ .name = "scope", .type = FIELD_ANY, .effect = EFFECT_PERMISSION,
	    .help = "Which part of the service; its keys depend on it.",
	    .example = "{bucketRef: workspace, prefixes: [\"shared/*\"]}" },
	END
};

/* --- rows that several kinds have ---------------------------------------- */

#define ROW_MODEL(is_required) \
	{ .name = "model", .type = FIELD_STRING, .required = is_required, \
	    .min = 1, .max = 256, .pattern = "[^\\s]+", \
	    .effect = EFFECT_FILES, .help = "Model that the agent thinks " \
	    "with; hiclaw-gateway/ in front is dropped.", \
	    .example = "qwen3.6-plus", \
	    .shown = SHOWN }
#define ROW_RUNTIME(allowed, default_value) \
	{ .name = "runtime", .type = FIELD_STRING, .values = allowed, \
	    .dflt = default_value, .effect = EFFECT_RECREATE, \
	    .help = "Program that runs the agent; the operator's default " \
	    "applies when nothing is said.", .example = "openclaw", \
	    .shown = SHOWN_HINT }
#define ROW_IMAGE \
	{ .name = "image", .type = FIELD_STRING, \
	    .min = 1, .max = 255, .pattern = "[A-Za-z0-9][A-Za-z0-9._/:@-]*", \
	    .effect = EFFECT_RECREATE, \
	    .help = "Container image instead of the runtime's own.", \
	    .example = "hiclaw/worker-agent:latest" }
#define ROW_WORKER_NAME \
	{ .name = "workerName", .type = FIELD_STRING, .immutable = true, \
	    .pattern = NAME_PATTERN, .effect = EFFECT_RECREATE, \
	    .help = "Name of account, home and consumer; the resource's " \
	    "name when absent.", .example = "alice" }
#define ROW_TEXT(field_name, text, sample, how) \
	{ .name = field_name, .type = FIELD_TEXT, \
	    .max = TEXT_MAX, .effect = EFFECT_FILES, .help = text, \
	    .example = sample, .shown = how }
#define ROW_IDENTITY \
	ROW_TEXT("identity", "Text of IDENTITY.md.", \
	    "\"Name: Alice\"", SHOWN_NOT)
#define ROW_SOUL \
	ROW_TEXT("soul", "Text of SOUL.md: who the agent is.", \
	    "\"You build the pages.\"", SHOWN)
#define ROW_AGENTS \
	ROW_TEXT("agents", "Your part of AGENTS.md: how it works.", \
	    "\"Ask before you deploy.\"", SHOWN_HINT)
#define ROW_SKILLS \
	{ .name = "skills", .type = FIELD_LIST, .item = FIELD_STRING, \
	    .max = 200, \
	    .pattern = "[A-Za-z0-9_][A-Za-z0-9._-]*", \
	    .effect = EFFECT_FILES, .help = "Built-in skills by name; " \
	    "those of a nacos:// source go into remoteSkills.", \
	    .example = "[github-operations]", \
	    .shown = SHOWN_HINT }
#define ROW_REMOTE_SKILLS \
	{ .name = "remoteSkills", .type = FIELD_LIST, .item = FIELD_OBJECT, \
	    .max = 50, .effect = EFFECT_FILES, \
	    .help = "Skills fetched from a registry.", \
	    .example = "[{source: \"nacos://h:8848/public\", " \
	    "skills: [{name: pdf-reader}]}]", .fields = remote_skill_fields }
#define ROW_MCP_SERVERS \
	{ .name = "mcpServers", .type = FIELD_LIST, .item = FIELD_OBJECT, \
	    .max = 100, .effect = EFFECT_FILES, \
	    .help = "Tool servers that the agent may call.", \
	    .example = "[{name: github, url: \"https://mcp.example.org\"}]", \
	    .fields = mcp_server_fields, \
	    .shown = SHOWN_HINT }
#define ROW_PACKAGE \
	{ .name = "package", .type = FIELD_STRING, \
	    .min = 1, .max = 2048, .effect = EFFECT_FILES, \
	    .pattern = "(file|https?|nacos|oss)://[^\\s]+|" \
	    "[A-Za-z0-9][A-Za-z0-9._/-]*", \
	    .help = "Package that seeds the agent's files: file://, " \
	    "http(s)://, nacos://, oss:// or packages/x.zip.", \
	    .example = "packages/alice.zip" }
#define ROW_EXPOSE \
	{ .name = "expose", .type = FIELD_LIST, .item = FIELD_OBJECT, \
	    .max = 32, .effect = EFFECT_NONE, \
	    .help = "Ports published through the gateway.", \
	    .example = "[{port: 8080}]", .fields = expose_fields, \
	    .shown = SHOWN_HINT }
#define ROW_CHANNEL_POLICY(text) \
	{ .name = "channelPolicy", .type = FIELD_OBJECT, \
	    .effect = EFFECT_PERMISSION, .help = text, \
	    .example = "{groupAllowExtra: [bob]}", \
	    .fields = channel_policy_fields }
#define ROW_STATE \
	{ .name = "state", .type = FIELD_STRING, \
	    .values = state_values, .dflt = "Running", \
	    .effect = EFFECT_RESTART, \
	    .help = "What its container should do.", .example = "Sleeping" }
#define ROW_ACCESS_ENTRIES \
	{ .name = "accessEntries", .type = FIELD_LIST, \
	    .item = FIELD_OBJECT, .max = 100, \
	    .effect = EFFECT_PERMISSION, \
	    .help = "Access beyond the agent's own files.", \
	    .example = "[{service: ai-gateway, permissions: [read]}]", \
	    .fields = access_entry_fields }
#define ROW_ENV \
	{ .name = "env", .type = FIELD_MAP, .max = 200, \
	    .pattern = "[a-zA-Z_][a-zA-Z0-9_]*", .effect = EFFECT_RECREATE, \
	    .help = "Environment of the container; the system's own " \
	    "variables win.", .example = "{TZ: Europe/Berlin}", \
	    .shown = SHOWN_HINT }
#define ROW_RESOURCES \
	{ .name = "resources", .type = FIELD_OBJECT, \
	    .effect = EFFECT_RECREATE, .help = "Limits of the container; the " \
	    "operator's apply to what is not said.", \
	    .example = "{memory: 512Mi, cpu: 500m}", \
	    .fields = resource_fields }
#define ROW_LABELS \
	{ .name = "labels", .type = FIELD_MAP, .max = 64, \
	    .pattern = LABEL_KEY, .effect = EFFECT_RECREATE, \
	    .help = "Labels of the container; hiclaw.io/ is the " \
	    "controller's.", .example = "{tier: frontend}" }

/* --- rows of status that several kinds have ------------------------------ */

#define STATUS_STRING(field_name, text) \
	{ .name = field_name, .type = FIELD_STRING, .help = text }
#define STATUS_INT(field_name, text) \
	{ .name = field_name, .type = FIELD_INT, .help = text }
#define STATUS_BOOL(field_name, text) \
	{ .name = field_name, .type = FIELD_BOOL, .help = text }
#define STATUS_PHASE(words) \
	{ .name = "phase", .type = FIELD_STRING, .values = words, \
	    .help = "Where it is on its way." }
#define STATUS_GENERATION \
	STATUS_INT("observedGeneration", \
	    "Generation of the spec that is fully in place.")
#define STATUS_MESSAGE \
	STATUS_STRING("message", "Why it is not ready, or nothing.")
#define STATUS_USER \
	STATUS_STRING("matrixUserID", "Its Matrix account.")

static const struct field exposed_port_fields[] = {
	{ .name = "port", .type = FIELD_INT, .required = true,
	    .help = "Port of the agent." },
	{ .name = "domain", .type = FIELD_STRING, .required = true,
	    .help = "Domain it is published under." },
	END
};

#define STATUS_PORTS \
	{ .name = "exposedPorts", .type = FIELD_LIST, .item = FIELD_OBJECT, \
	    .help = "Ports that are published.", \
	    .fields = exposed_port_fields }

/* --- Worker -------------------------------------------------------------- */

static const struct field worker_spec[] = {
	ROW_MODEL(true),
	ROW_RUNTIME(worker_runtimes, NULL),
	ROW_IMAGE,
	ROW_WORKER_NAME,
	ROW_IDENTITY,
	ROW_SOUL,
	ROW_AGENTS,
	ROW_SKILLS,
	ROW_REMOTE_SKILLS,
	ROW_MCP_SERVERS,
	ROW_PACKAGE,
	ROW_EXPOSE,
	ROW_CHANNEL_POLICY("Who else may, or may not, address it."),
	{ .name = "containerManaged", .type = FIELD_BOOL,
	    .dflt = "true", .effect = EFFECT_RECREATE,
	    .help = "false: somebody else runs the container.",
	    .example = "false" },
	ROW_STATE,
	ROW_ACCESS_ENTRIES,
	ROW_ENV,
	ROW_RESOURCES,
	ROW_LABELS,
	END
};

static const struct field worker_status[] = {
	STATUS_GENERATION,
	STATUS_PHASE(agent_phases),
	STATUS_USER,
	STATUS_STRING("roomID", "Room of this worker."),
	STATUS_STRING("containerState", "What its container does."),
	STATUS_STRING("lastHeartbeat", "When it last reported, RFC 3339."),
	STATUS_MESSAGE,
	STATUS_PORTS,
	END
};

/* --- Team ---------------------------------------------------------------- */

static const struct field team_admin_fields[] = {
	{ .name = "name", .type = FIELD_STRING, .required = true,
	    .pattern = NAME_PATTERN, .effect = EFFECT_PERMISSION,
	    .help = "Name of a Human.", .example = "pm-zhang" },
	{ .name = "matrixUserId", .type = FIELD_STRING, .max = 255,
	    .pattern = MXID_PATTERN, .effect = EFFECT_PERMISSION,
	    .help = "Must be that Human's Matrix ID when given.",
	    .example = "\"@pm-zhang:example.org\"" },
	END
};

static const struct field human_member_fields[] = {
	{ .name = "name", .type = FIELD_STRING, .required = true,
	    .min = 1, .max = 255, .pattern = "[a-z0-9._=/+-]+",
	    .effect = EFFECT_PERMISSION,
	    .help = "Name of a Human; with matrixUserId any name.",
	    .example = "olivia" },
	{ .name = "matrixUserId", .type = FIELD_STRING, .max = 255,
	    .pattern = MXID_PATTERN, .effect = EFFECT_PERMISSION,
	    .help = "Matrix ID of somebody who is no Human here.",
	    .example = "\"@olivia:example.org\"" },
	{ .name = "role", .type = FIELD_STRING, .values = member_roles,
	    .dflt = "coordinator", .effect = EFFECT_PERMISSION,
	    .help = "What the person is in the team.",
	    .example = "coordinator" },
	END
};

static const struct field heartbeat_fields[] = {
	{ .name = "enabled", .type = FIELD_BOOL, .effect = EFFECT_FILES,
	    .help = "Whether the leader looks around by itself.",
	    .example = "true" },
	{ .name = "every", .type = FIELD_STRING, .pattern = DURATION,
	    .max = 32, .effect = EFFECT_FILES, .help = "How often.",
	    .example = "15m" },
	END
};

#define ROW_MEMBER_NAME \
	{ .name = "name", .type = FIELD_STRING, .required = true, \
	    .pattern = NAME_PATTERN, .effect = EFFECT_RECREATE, \
	    .help = "Name of the member, unique among all agents.", \
	    .example = "alice" }

const struct field leader_fields[] = {
	ROW_MEMBER_NAME,
	ROW_WORKER_NAME,
	ROW_MODEL(false),
	ROW_RUNTIME(worker_runtimes, "copaw"),
	ROW_IMAGE,
	ROW_IDENTITY,
	ROW_SOUL,
	ROW_AGENTS,
	ROW_SKILLS,
	ROW_REMOTE_SKILLS,
	ROW_MCP_SERVERS,
	ROW_PACKAGE,
	{ .name = "heartbeat", .type = FIELD_OBJECT,
	    .effect = EFFECT_FILES,
	    .help = "Rounds that the leader makes by itself.",
	    .example = "{enabled: true, every: 15m}",
	    .fields = heartbeat_fields,
	    .shown = SHOWN_HINT },
	{ .name = "workerIdleTimeout", .type = FIELD_STRING,
	    .pattern = DURATION, .max = 32, .effect = EFFECT_FILES,
	    .help = "After how long an idle worker is put to sleep.",
	    .example = "720m" },
	ROW_CHANNEL_POLICY("Who else may, or may not, address it."),
	ROW_STATE,
	ROW_ACCESS_ENTRIES,
	ROW_ENV,
	ROW_RESOURCES,
	ROW_LABELS,
	END
};

const struct field team_worker_fields[] = {
	ROW_MEMBER_NAME,
	ROW_WORKER_NAME,
	ROW_MODEL(false),
	ROW_RUNTIME(worker_runtimes, NULL),
	ROW_IMAGE,
	ROW_IDENTITY,
	ROW_SOUL,
	ROW_AGENTS,
	ROW_SKILLS,
	ROW_REMOTE_SKILLS,
	ROW_MCP_SERVERS,
	ROW_PACKAGE,
	ROW_EXPOSE,
	ROW_CHANNEL_POLICY("Who else may, or may not, address it."),
	ROW_STATE,
	ROW_ACCESS_ENTRIES,
	ROW_ENV,
	ROW_RESOURCES,
	ROW_LABELS,
	END
};

static const struct field team_spec[] = {
	{ .name = "description", .type = FIELD_TEXT, .max = 4096,
	    .effect = EFFECT_ROOMS, .help = "What the team is for.",
	    .example = "\"Builds the shop's pages.\"",
	    .shown = SHOWN },
	{ .name = "teamName", .type = FIELD_STRING, .immutable = true,
	    .pattern = NAME_PATTERN, .effect = EFFECT_RECREATE,
	    .help = "Name of rooms and storage; the resource's name when "
	    "absent.", .example = "frontend" },
	{ .name = "admin", .type = FIELD_OBJECT,
	    .effect = EFFECT_PERMISSION,
	    .help = "Human who runs the team in place of the admins.",
	    .example = "{name: pm-zhang}", .fields = team_admin_fields,
	    .shown = SHOWN_HINT },
	{ .name = "humanMembers", .type = FIELD_LIST, .item = FIELD_OBJECT,
	    .max = 1000, .effect = EFFECT_PERMISSION,
	    .help = "People who work with the team.",
	    .example = "[{name: olivia}]", .fields = human_member_fields,
	    .shown = SHOWN_HINT },
	{ .name = "leader", .type = FIELD_OBJECT, .required = true,
	    .effect = EFFECT_ROOMS,
	    .help = "Agent that leads the team.",
	    .example = "{name: frontend-lead}", .fields = leader_fields },
	{ .name = "workers", .type = FIELD_LIST, .item = FIELD_OBJECT,
	    .max = ITEMS_MAX, .effect = EFFECT_ROOMS,
	    .help = "Agents that do the work; may be none.",
	    .example = "[{name: alice}]", .fields = team_worker_fields,
	    .shown = SHOWN },
	{ .name = "peerMentions", .type = FIELD_BOOL, .dflt = "true",
	    .effect = EFFECT_PERMISSION,
	    .help = "Whether workers may address each other.",
	    .example = "false" },
	ROW_CHANNEL_POLICY("Added to the policy of every member."),
	END
};

static const struct field team_member_status[] = {
	{ .name = "name", .type = FIELD_STRING, .required = true,
	    .help = "Name of the member." },
	STATUS_STRING("runtimeName", "Name of its account and home."),
	{ .name = "role", .type = FIELD_STRING, .values = team_roles,
	    .help = "What it is in the team." },
	STATUS_STRING("roomID", "Room of this member."),
	STATUS_USER,
	STATUS_STRING("specHash", "Digest of what is in place."),
	STATUS_BOOL("observed", "Whether its account and room exist."),
	STATUS_BOOL("ready", "Whether it reported ready."),
	STATUS_PORTS,
	END
};

static const struct field team_status[] = {
	STATUS_GENERATION,
	STATUS_PHASE(team_phases),
	STATUS_STRING("teamRoomID", "Room of the team."),
	STATUS_STRING("leaderDMRoomID", "Direct chat with the leader."),
	STATUS_BOOL("leaderReady", "Whether the leader is up."),
	STATUS_INT("readyWorkers", "Workers that are up."),
	STATUS_INT("totalWorkers", "Workers that are declared."),
	STATUS_MESSAGE,
	{ .name = "members", .type = FIELD_LIST, .item = FIELD_OBJECT,
	    .help = "Each member, by name.", .fields = team_member_status },
	END
};

/* --- Human --------------------------------------------------------------- */

static const struct field human_spec[] = {
	{ .name = "displayName", .type = FIELD_STRING, .required = true,
	    .min = 1, .max = 255, .effect = EFFECT_ROOMS,
	    .help = "Name that people see.", .example = "Zhang Wei" },
	{ .name = "username", .type = FIELD_STRING, .immutable = true,
	    .pattern = NAME_PATTERN, .effect = EFFECT_RECREATE,
	    .help = "Account that is made, without @ and domain; the "
	    "resource's name when absent.", .example = "pm-zhang" },
	{ .name = "matrixUserId", .type = FIELD_STRING, .max = 255,
	    .pattern = MXID_PATTERN, .effect = EFFECT_ROOMS,
	    .help = "An account the person has already; none is made.",
	    .example = "\"@zhang:example.org\"",
	    .shown = SHOWN_HINT },
	{ .name = "email", .type = FIELD_STRING, .max = 254,
	    .pattern = "[^@\\s]+@[^@\\s]+", .effect = EFFECT_NONE,
	    .help = "Address of the person.",
	    .example = "zhang@example.org",
	    .shown = SHOWN_HINT },
	{ .name = "permissionLevel", .type = FIELD_INT, .required = true,
	    .min = 1, .max = 3, .effect = EFFECT_PERMISSION,
	    .help = "1: admin, 2: own teams, 3: own workers.",
	    .example = "2" },
	{ .name = "accessibleTeams", .type = FIELD_LIST,
	    .item = FIELD_STRING, .max = 1000, .pattern = NAME_PATTERN,
	    .effect = EFFECT_PERMISSION,
	    .help = "Teams the person works with.",
	    .example = "[frontend]",
	    .shown = SHOWN_HINT },
	{ .name = "accessibleWorkers", .type = FIELD_LIST,
	    .item = FIELD_STRING, .max = ITEMS_MAX, .pattern = NAME_PATTERN,
	    .effect = EFFECT_PERMISSION,
	    .help = "Workers or team members the person works with.",
	    .example = "[alice]",
	    .shown = SHOWN_HINT },
	{ .name = "note", .type = FIELD_TEXT, .max = 4096,
	    .effect = EFFECT_NONE, .help = "Anything worth remembering.",
	    .example = "\"Product manager\"" },
	END
};

static const struct field human_status[] = {
	STATUS_GENERATION,
	STATUS_PHASE(human_phases),
	STATUS_USER,
	STATUS_STRING("initialPassword",
	    "Always empty: shown once in a direct chat, kept nowhere."),
	STATUS_INT("displayNameSyncedGeneration",
	    "Generation whose display name is in place."),
	{ .name = "rooms", .type = FIELD_LIST, .item = FIELD_STRING,
	    .help = "Rooms the person is in." },
	STATUS_BOOL("emailSent", "Whether a mail was sent."),
	STATUS_MESSAGE,
	END
};

/* --- Manager ------------------------------------------------------------- */

static const struct field manager_config_fields[] = {
	{ .name = "heartbeatInterval", .type = FIELD_STRING,
	    .pattern = DURATION, .max = 32, .dflt = "15m",
	    .effect = EFFECT_FILES,
	    .help = "How often the Manager looks around.",
	    .example = "30m" },
	{ .name = "workerIdleTimeout", .type = FIELD_STRING,
	    .pattern = DURATION, .max = 32, .dflt = "720m",
	    .effect = EFFECT_FILES,
	    .help = "After how long an idle worker is put to sleep.",
	    .example = "12h" },
	{ .name = "notifyChannel", .type = FIELD_STRING, .max = 255,
	    .pattern = "[^\\s]+", .dflt = "admin-dm",
	    .effect = EFFECT_FILES, .help = "Where it reports to.",
	    .example = "admin-dm" },
	END
};

static const struct field manager_spec[] = {
	ROW_MODEL(true),
	ROW_RUNTIME(manager_runtimes, NULL),
	ROW_IMAGE,
	ROW_SOUL,
	ROW_AGENTS,
	ROW_SKILLS,
	ROW_MCP_SERVERS,
	ROW_PACKAGE,
	ROW_STATE,
	{ .name = "config", .type = FIELD_OBJECT,
	    .effect = EFFECT_FILES, .help = "How the Manager works.",
	    .example = "{heartbeatInterval: 30m}",
	    .fields = manager_config_fields,
	    .shown = SHOWN_HINT },
	ROW_ACCESS_ENTRIES,
	ROW_ENV,
	ROW_RESOURCES,
	ROW_LABELS,
	END
};

static const struct field manager_status[] = {
	STATUS_GENERATION,
	STATUS_PHASE(agent_phases),
	STATUS_USER,
	STATUS_STRING("roomID", "Direct chat of Manager and admin."),
	STATUS_STRING("containerState", "What its container does."),
	STATUS_STRING("version", "Image that runs."),
	STATUS_MESSAGE,
	STATUS_BOOL("welcomeSent", "Whether it was greeted."),
	END
};

/* ---------------------------------------------------------------------------- */

const struct kind kinds[] = {
	{ .name = "Worker", .plural = "workers", .singular = "worker",
	    .shortname = "wk", .help = "An agent of its own, in no team.",
	    .spec = worker_spec, .status = worker_status,
	    .columns = "Model=.spec.model,Phase=.status.phase,"
	    "Runtime=.spec.runtime,Age=.metadata.creationTimestamp" },
	{ .name = "Team", .plural = "teams", .singular = "team",
	    .shortname = "tm",
	    .help = "A leader and workers who share rooms and files.",
	    .spec = team_spec, .status = team_status,
	    .columns = "Leader=.spec.leader.name,"
	    "Workers=.status.totalWorkers,Ready=.status.readyWorkers,"
	    "Phase=.status.phase,Age=.metadata.creationTimestamp" },
	{ .name = "Human", .plural = "humans", .singular = "human",
	    .shortname = "hm",
	    .help = "A person: account, rooms and what they may do.",
	    .spec = human_spec, .status = human_status,
	    .columns = "Display Name=.spec.displayName,"
	    "Level=.spec.permissionLevel,Phase=.status.phase,"
	    "Email Sent=.status.emailSent,Age=.metadata.creationTimestamp" },
	{ .name = "Manager", .plural = "managers", .singular = "manager",
	    .shortname = "mgr",
	    .help = "The agent that looks after all others; one at most.",
	    .spec = manager_spec, .status = manager_status,
	    .columns = "Model=.spec.model,Phase=.status.phase,"
	    "Runtime=.spec.runtime,Age=.metadata.creationTimestamp" },
	{ .name = NULL }
};
const size_t kinds_n = NELEM(kinds) - 1;
