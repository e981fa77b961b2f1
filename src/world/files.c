/*
 * Files of agents: what the controller writes into an agent's home.  So far the
 * soul, given in the spec or made from a template that the operator may change.
 */
#include "world-int.h"

#include <stdlib.h>
#include <string.h>

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
fill(struct buf *b, const char *template, const struct agent *a)
{
	const struct resource *team = agent_team(a);
	const struct { const char *mark, *value; } marks[] = {
		{ "{{name}}", a->name },
		{ "{{role}}", role_words(a->role) },
		{ "{{team}}", team == NULL ? "none" : team->name },
	};
	const char *p = template, *open;
	size_t i;

	while ((open = strstr(p, "{{")) != NULL) {
		buf_add(b, p, (size_t)(open - p));
		for (i = 0; i < NELEM(marks); i++)
			if (str_starts(open, marks[i].mark))
				break;
		if (i < NELEM(marks)) {
			buf_puts(b, marks[i].value);
			p = open + strlen(marks[i].mark);
		} else {
			buf_puts(b, "{{");
			p = open + 2;
		}
	}
	buf_puts(b, p);
}

static char *
soul_text(const struct world_config *cfg, const struct agent *a)
{
	const char *template = library_text(cfg->library, "agents/SOUL.md");
	const char *given = json_str(a->spec, "soul");
	struct buf b = { 0 };

	if (given != NULL && given[0] != '\0')
		buf_puts(&b, given);
	else
		fill(&b, template != NULL ? template : BARE_SOUL, a);
	if (!str_ends(buf_str(&b), "\n"))
		buf_putc(&b, '\n');
	return buf_take(&b);
}

void
files_add(struct world *w, const struct census *c)
{
	const struct agent *a;
	struct buf b = { 0 };
	char *path, *text, *owner;
	size_t i;

	for (i = 0; i < c->agents.n; i++) {
		a = &c->agents.v[i];
		path = xasprintf("agents/%s/SOUL.md", a->runtime);
		text = soul_text(c->cfg, a);
		owner = owner_of(a->resource);
		jw_open(&b);
		jw_str(&b, "mode", "0600");
		jw_str(&b, "path", path);
		jw_str(&b, "rule", "owned");
		jw_str(&b, "text", text);
		jw_close(&b);
		world_add(w, xasprintf("file:%s", path), owner, jw_done(&b));
		free(path);
		free(text);
		free(owner);
	}
	buf_release(&b);
}
