/*
 * The Markdown files of a home: who the agent is (SOUL.md, IDENTITY.md), how it
 * works and with whom (AGENTS.md), the people around it (USER.md), its tools and
 * its rounds.  All of them reach a model's prompt, so none may hold a secret.
 *
 * Texts come from the library; what a manifest says goes in as it is.
 */
#include "files-int.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/file-rule.h"

#define BARE_SOUL	"# {{name}}\n"	/* when there is no template */

static const char *
role_words(enum agent_role role)
{
	static const char *const words[] = {
		[AGENT_MANAGER] = "manager",
		[AGENT_STANDALONE] = "standalone worker",
		[AGENT_LEADER] = "team leader", [AGENT_WORKER] = "team worker",
	};

	return words[role];
}

/* One pass, so that a name that looks like a placeholder stays a name. */
static void
fill(struct doc *d, const char *template, const struct home *h)
{
	const struct { const char *mark, *value; } marks[] = {
		{ "{{name}}", h->agent->name },
		{ "{{role}}", role_words(h->agent->role) },
		{ "{{team}}", h->team == NULL ? "none" : h->team->name },
		{ "{{shared}}", h->shared },
	};
	const char *p = template, *open;
	size_t i;

	while ((open = strstr(p, "{{")) != NULL) {
		buf_add(&d->run, p, (size_t)(open - p));
		for (i = 0; i < NELEM(marks); i++)
			if (str_starts(open, marks[i].mark))
				break;
		doc_puts(d, i < NELEM(marks) ? marks[i].value : "{{");
		p = open + (i < NELEM(marks) ? strlen(marks[i].mark) : 2);
	}
	doc_puts(d, p);
	if (!str_ends(template, "\n"))
		doc_puts(d, "\n");
}

/* With a line feed at its end. */
static void
put_text(struct doc *d, const char *text)
{
	doc_puts(d, text);
	if (!str_ends(text, "\n"))
		doc_puts(d, "\n");
}

/* "agents/SOUL.leader.md", else "agents/SOUL.md"; NULL: neither. */
static const char *
template_of(const struct home *h, const char *name)
{
	const char *role = h->agent->role == AGENT_STANDALONE ? "worker" :
	    agent_role_name(h->agent->role), *text;
	char *path = xasprintf("agents/%s.%s.md", name, role);

	text = library_text(h->cfg->library, path);
	free(path);
	if (text != NULL)
		return text;
	path = xasprintf("agents/%s.md", name);
	text = library_text(h->cfg->library, path);
	free(path);
	return text;
}

static const char *
given(const struct home *h, const char *field)
{
	const char *text = json_str(h->agent->spec, field);

	return text != NULL && text[0] != '\0' ? text : NULL;
}

/* --- SOUL.md, IDENTITY.md ----------------------------------------------------- */

/* Runtimes other than OpenClaw know no IDENTITY.md: it begins their soul. */
bool
make_soul_md(struct home *h, struct made *m)
{
	const char *soul = given(h, "soul"), *identity = given(h, "identity");
	const char *template = template_of(h, "SOUL");
	struct doc d = { 0 };

	if (h->runtime_bit == RUNTIME_OPENCLAW)
		identity = NULL;
	/* Nothing that a manifest says: then it is the agent's from now on. */
	if (soul == NULL && identity == NULL)
		m->rule = "seed";
	if (identity != NULL) {
		put_text(&d, identity);
		doc_puts(&d, "\n");
	}
	if (soul != NULL)
		put_text(&d, soul);
	else
		fill(&d, template != NULL ? template : BARE_SOUL, h);
	m->text = doc_done(&d);
	return true;
}

/*
 * Hermes reads it beside its own configuration.  The soul that a package may
 * bring is not known here and lies in the home: then there is no other one.
 */
bool
make_soul_copy(struct home *h, struct made *m)
{
	return (given(h, "package") == NULL || given(h, "soul") != NULL ||
	    given(h, "identity") != NULL) && make_soul_md(h, m);
}

bool
make_identity_md(struct home *h, struct made *m)
{
	struct doc d = { 0 };

	if (given(h, "identity") == NULL)
		return false;
	put_text(&d, given(h, "identity"));
	m->text = doc_done(&d);
	return true;
}

/* --- AGENTS.md ----------------------------------------------------------------- */

static void
put_people(struct doc *d, const char *label, const struct people *ps,
    const struct person *without)
{
	bool any = false;
	size_t i;

	for (i = 0; i < ps->n; i++) {
		if (ps->v[i] == without)
			continue;
		if (!any)
			doc_printf(d, "- **%s**:\n", label);
		any = true;
		doc_printf(d, "  - %s\n", ps->v[i]->user);
	}
}

static void
put_room(struct doc *d, const char *label, const char *kind, const char *name)
{
	char *key = xasprintf("room:%s/%s", kind, name);

	doc_printf(d, "- **%s**: ", label);
	doc_ref(d, key, "room_id");
	doc_puts(d, "\n");
	free(key);
}

static void
put_team_people(struct doc *d, const struct home *h)
{
	struct person *admin = census_team_admin(h->census, h->team);
	struct people ps = { 0 };

	if (admin != NULL)
		doc_printf(d, "- **Team Admin**: %s (may assign and decide)\n",
		    admin->user);
	census_coordinators(h->census, h->team, &ps);
	people_settle(&ps);
	put_people(d, "Coordinator Members", &ps, admin);
	people_release(&ps);
}

static void
put_members(struct doc *d, const struct home *h)
{
	const struct agents *as = &h->census->agents;
	char *room;
	size_t i;

	doc_puts(d, "- **Team Workers**:\n");
	for (i = 0; i < as->n; i++) {
		if (as->v[i].role != AGENT_WORKER ||
		    as->v[i].resource != h->team)
			continue;
		room = xasprintf("room:worker/%s", as->v[i].runtime);
		doc_printf(d, "  - %s — Room: ", as->v[i].user);
		doc_ref(d, room, "room_id");
		doc_puts(d, "\n");
		free(room);
	}
}

static void
put_leader(struct doc *d, const struct home *h)
{
	const struct agent *manager = h->census->manager;
	const char *every = home_heartbeat(h);
	const char *idle = json_str(h->agent->spec, "workerIdleTimeout");

	if (manager != NULL)
		doc_printf(d, "- **Upstream coordinator**: %s (Manager, gives "
		    "tasks)\n", manager->user);
	put_team_people(d, h);
	doc_printf(d, "- **Team**: %s\n", h->team->name);
	put_room(d, "Team Room", "team", h->team_name);
	put_room(d, "Leader Room", "leader", h->team_name);
	put_room(d, "Leader DM", "leaderdm", h->team_name);
	if (every != NULL)
		doc_printf(d, "- **Heartbeat interval**: %s\n",
		    every[0] == '\0' ? "off" : every);
	if (idle != NULL)
		doc_printf(d, "- **Worker idle timeout**: %s\n", idle);
	put_members(d, h);
	doc_puts(d, "\nSplit tasks and hand them to workers by mentioning them "
	    "in the Team Room. Report to whoever gave the task: the Manager "
	    "in the Leader Room, the admin in the Leader DM. Mention the "
	    "Manager only for completion, blockers and escalation.\n");
}

static void
put_member(struct doc *d, const struct home *h)
{
	const struct agent *leader = home_leader(h);

	if (leader != NULL)
		doc_printf(d, "- **Coordinator**: %s (Team Leader of %s)\n",
		    leader->user, h->team->name);
	put_team_people(d, h);
	doc_printf(d, "- **Team**: %s\n", h->team->name);
	put_room(d, "Team Room", "team", h->team_name);
	put_room(d, "Your Room", "worker", h->agent->runtime);
	doc_puts(d, "\nReport completion, blockers and questions to your "
	    "coordinator. Answer mentions of your coordinator, the people "
	    "above and the admins. Do NOT @mention Manager directly.\n");
}

static void
put_standalone(struct doc *d, const struct home *h)
{
	if (h->census->manager != NULL)
		doc_printf(d, "- **Coordinator**: %s (Manager)\n",
		    h->census->manager->user);
	put_people(d, "Admins", &h->census->admins, NULL);
	put_room(d, "Your Room", "worker", h->agent->runtime);
	doc_puts(d, "\nReport completion, blockers and questions to your "
	    "coordinator. Answer only your coordinator and the people who may "
	    "address you.\n");
}

/* Whom it manages may be thousands: they are in the registries. */
static void
put_manager(struct doc *d, const struct home *h)
{
	put_people(d, "Admins", &h->census->admins, NULL);
	put_room(d, "Admin DM", "manager", h->agent->runtime);
	doc_puts(d, "- **Registries**: `workers-registry.json`, "
	    "`teams-registry.json`, `humans-registry.json` in this directory "
	    "name every agent, person and room\n"
	    "\nGive work to standalone workers and to Team Leaders. Never "
	    "mention workers inside a team: their leader does.\n");
}

/*
 * A text for the inside of a section, with a line feed at its end.  A marker at
 * the start of a line is moved off it, so that no text ends the section.
 */
static void
put_inside(struct doc *d, const char *text)
{
	size_t n;

	for (; *text != '\0'; text += n) {
		n = strcspn(text, "\n");
		if (str_starts(text, "<!-- hiclaw-"))
			doc_puts(d, " ");
		buf_add(&d->run, text, n);
		doc_puts(d, "\n");
		n += text[n] == '\n';
	}
}

static void
put_template(struct doc *d, const char *template, const struct home *h)
{
	struct doc filled = { 0 };

	fill(&filled, template, h);
	put_inside(d, buf_str(&filled.run));
	buf_release(&filled.run);
}

bool
make_agents_md(struct home *h, struct made *m)
{
	static void (*const parts[])(struct doc *, const struct home *) = {
		[AGENT_MANAGER] = put_manager,
		[AGENT_STANDALONE] = put_standalone,
		[AGENT_LEADER] = put_leader, [AGENT_WORKER] = put_member,
	};
	const char *body = template_of(h, "AGENTS");
	struct doc d = { 0 };

	doc_puts(&d, BUILTIN_START "\n"
	    "> HiClaw keeps the parts between these marks. What you write "
	    "outside of them is yours and stays.\n\n");
	if (body != NULL)
		put_template(&d, body, h);
	doc_puts(&d, BUILTIN_END "\n");
	if (given(h, "agents") != NULL) {
		doc_puts(&d, SPEC_START "\n");
		put_inside(&d, given(h, "agents"));
		doc_puts(&d, SPEC_END "\n");
	}
	doc_puts(&d, TEAM_START "\n## Coordination\n\n");
	parts[h->agent->role](&d, h);
	doc_puts(&d, TEAM_END "\n");
	m->text = doc_done(&d);
	return true;
}

/* --- USER.md, TOOLS.md, HEARTBEAT.md --------------------------------------------- */

static void
put_shown(struct doc *d, const struct home *h, const struct person *p,
    const char *what)
{
	const char *name = map_find(h->shown, p->user);

	if (name != NULL)
		doc_printf(d, "- %s, `%s`: %s\n", name, p->user, what);
	else
		doc_printf(d, "- `%s`: %s\n", p->user, what);
}

/* What this person is to the agent. */
static const char *
standing(const struct home *h, const struct person *p,
    const struct person *admin, const struct people *coordinators)
{
	if (p == admin)
		return "admin of your team";
	for (size_t i = 0; i < coordinators->n; i++)
		if (coordinators->v[i] == p)
			return "coordinates your team";
	return p->tier == 1 ? "admin" : "may speak to you";
}

/* All people whom the agent hears, in a room or alone. */
bool
make_user_md(struct home *h, struct made *m)
{
	const struct strv *lists[] = { &h->allow.group, &h->allow.dm };
	struct person *admin = h->team == NULL ? NULL :
	    census_team_admin(h->census, h->team);
	struct people coordinators = { 0 }, all = { 0 };
	struct doc d = { 0 };

	if (h->team != NULL)
		census_coordinators(h->census, h->team, &coordinators);
	for (size_t k = 0; k < NELEM(lists); k++)
		for (size_t i = 0; i < lists[k]->n; i++)
			if (!is_our_user(h->cfg, lists[k]->v[i]))
				people_add(&all, census_person(h->census,
				    lists[k]->v[i]));
	people_settle(&all);
	doc_puts(&d, "# People\n\n");
	for (size_t i = 0; i < all.n; i++)
		put_shown(&d, h, all.v[i], standing(h, all.v[i], admin,
		    &coordinators));
	people_release(&coordinators);
	people_release(&all);
	m->text = doc_done(&d);
	return true;
}

bool
make_tools_md(struct home *h, struct made *m)
{
	const char *template = template_of(h, "TOOLS");
	struct doc d = { 0 };

	if (template == NULL)
		return false;
	fill(&d, template, h);
	m->text = doc_done(&d);
	return true;
}

bool
make_heartbeat_md(struct home *h, struct made *m)
{
	const char *template = template_of(h, "HEARTBEAT");
	struct doc d = { 0 };

	if (template == NULL)
		return false;
	fill(&d, template, h);
	m->text = doc_done(&d);
	return true;
}
