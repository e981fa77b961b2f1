/*
 * What others wrote into an agent's files, declared: texts of a manifest, and what
 * stands for fields of it in the configuration of OpenClaw and of mcporter.
 */
#include "adopt-int.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/file-rule.h"

#define GATEWAY		"hiclaw-gateway/"

/* --- texts ---------------------------------------------------------------- */

/* The text that somebody wrote; NULL: there is none, which was said. */
static const char *
found_text(struct adopting *a)
{
	const char *text = json_str(a->found, "text");

	if (a->from == NULL)
		adopt_cannot(a, "the file was taken away, and an agent always "
		    "has one");
	else if (text == NULL)
		adopt_cannot(a, "what was written there is not known any "
		    "more, or is no text");
	return a->from == NULL ? NULL : text;
}

/* As one writes it in a manifest: the file ends its last line by itself. */
static void
set_text(struct json *spec, const char *field, const char *text, size_t len)
{
	char *s;

	if (len > 1 && text[len - 1] == '\n' && text[len - 2] != '\n')
		len--;
	s = xstrndup(text, len);
	json_set_str(spec, field, s);
	free(s);
}

static bool
is_blank(const char *text)
{
	return text[strspn(text, " \t\r\n")] == '\0';
}

static const char *
given(const struct agent *agent, const char *field)
{
	return json_strd(agent->spec, field, "");
}

/* In a soul that begins with the identity: which of the two was changed? */
static void
adopt_joint_soul(struct adopting *a, const char *text)
{
	const struct agent *agent = a->origin.agent;
	const char *who = given(agent, "identity"), *soul = given(agent,
	    "soul");
	char *head = xasprintf("%s%s\n", who, str_ends(who, "\n") ? "" : "\n");
	char *tail = xasprintf("\n%s%s", soul, str_ends(soul, "\n") ? "" :
	    "\n");
	size_t at = strlen(text) - strlen(tail);

	if (str_starts(text, head) && !is_blank(text + strlen(head)))
		set_text(adopt_agent(a, agent), "soul", text + strlen(head),
		    strlen(text + strlen(head)));
	else if (soul[0] != '\0' && strlen(text) > strlen(tail) &&
	    str_ends(text, tail) && text[at - 1] == '\n')
		set_text(adopt_agent(a, agent), "identity", text, at);
	else
		adopt_cannot(a, "where identity ends and soul begins cannot "
		    "be told any more");
	free(head);
	free(tail);
}

void
adopt_soul(struct adopting *a)
{
	const struct agent *agent = a->origin.agent;
	const char *text = found_text(a);

	if (text == NULL)
		return;
	if (is_blank(text))
		adopt_cannot(a, "an empty text is no soul: take the field "
		    "away instead");
	else if (given(agent, "identity")[0] != '\0' &&
	    strcmp(agent_runtime(a->cfg, agent), "openclaw") != 0)
		adopt_joint_soul(a, text);
	else
		set_text(adopt_agent(a, agent), "soul", text, strlen(text));
}

/* Without the field there is no such file. */
void
adopt_identity(struct adopting *a)
{
	const char *text = a->from != NULL ? found_text(a) : "";
	struct json *spec;

	if (text == NULL)
		return;
	spec = adopt_agent(a, a->origin.agent);
	if (is_blank(text))
		json_remove(spec, "identity");
	else
		set_text(spec, "identity", text, strlen(text));
}

static bool
same_text(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);

	n -= n > 0 && a[n - 1] == '\n';
	m -= m > 0 && b[m - 1] == '\n';
	return n == m && memcmp(a, b, n) == 0;
}

/* Only one section of the file is of a field. */
void
adopt_agents_md(struct adopting *a)
{
	const struct agent *agent = a->origin.agent;
	const char *text = found_text(a);
	char *inside;

	if (text == NULL)
		return;
	inside = file_section(text, SPEC_START);
	if (same_text(inside != NULL ? inside : "", given(agent, "agents")))
		adopt_cannot(a, "what was changed there is made from other "
		    "things than a text of the manifest");
	else if (inside == NULL || is_blank(inside))
		json_remove(adopt_agent(a, agent), "agents");
	else
		set_text(adopt_agent(a, agent), "agents", inside,
		    strlen(inside));
	free(inside);
}

/* --- openclaw.json -------------------------------------------------------- */

static bool
adopt_model(struct adopting *a)
{
	const struct agent *agent = a->origin.agent;
	const char *is = json_value_str(json_path(a->found,
	    "json.agents.defaults.model.primary"));

	if (is == NULL || !str_starts(is, GATEWAY) || strcmp(is +
	    strlen(GATEWAY), world_model(a->cfg, agent)) == 0)
		return false;
	json_set_str(adopt_agent(a, agent), "model", is + strlen(GATEWAY));
	return true;
}

/* "0m" is never. */
static bool
adopt_heartbeat(struct adopting *a)
{
	const struct agent *agent = a->origin.agent;
	const char *is = json_value_str(json_path(a->found,
	    "json.agents.defaults.heartbeat.every")), *was;
	const struct json *beat = json_get(agent->spec, "heartbeat");
	struct json *v;

	if (is == NULL)
		return false;
	if (agent->role == AGENT_MANAGER) {
		was = spec_str(agent->resource->kind, agent->spec,
		    "config.heartbeatInterval");
		if (str_equal(is, was) || strcmp(is, "0m") == 0)
			return false;
		json_set_str(json_obj(adopt_agent(a, agent), "config"),
		    "heartbeatInterval", is);
		return true;
	}
	was = json_bool(beat, "enabled", true) ? json_strd(beat, "every",
	    "30m") : "0m";
	if (agent->role != AGENT_LEADER || strcmp(is, was) == 0)
		return false;
	v = json_obj(adopt_agent(a, agent), "heartbeat");
	json_set_bool(v, "enabled", strcmp(is, "0m") != 0);
	if (strcmp(is, "0m") != 0)
		json_set_str(v, "every", is);
	return true;
}

void
adopt_openclaw(struct adopting *a)
{
	bool put = a->from != NULL && adopt_model(a);

	if (a->from != NULL)
		put |= adopt_heartbeat(a);
	if (!put)
		adopt_cannot(a, "of openclaw.json only the model and the "
		    "heartbeat are declared, and these two stand there as "
		    "they are declared");
}

/* --- mcporter.json -------------------------------------------------------- */

static bool
is_gone(const struct json *server, const void *there)
{
	return json_get(there, json_strd(server, "name", "")) == NULL;
}

/* Servers of ours that say something else, or are not there any more. */
void
adopt_servers(struct adopting *a)
{
	static const char *const members[] = { "url", "transport" };
	const struct json *there = json_path(a->found, "json.mcpServers");
	const struct agent *agent = a->origin.agent;
	struct json *spec, *v;

	if (a->from == NULL || there == NULL ||
	    json_get(agent->spec, "mcpServers") == NULL) {
		adopt_cannot(a, "what was written there cannot be read as a "
		    "list of servers");
		return;
	}
	spec = adopt_agent(a, agent);
	adopt_drop(spec, "mcpServers", is_gone, there);
	v = json_first(json_get(spec, "mcpServers"));
	for (; v != NULL; v = json_next(v))
		for (size_t i = 0; i < NELEM(members); i++) {
			const char *is = json_str(json_get(there, json_strd(v,
			    "name", "")), members[i]);

			if (is != NULL && strcmp(is, json_strd(v, members[i],
			    "http")) != 0)
				json_set_str(v, members[i], is);
		}
}
