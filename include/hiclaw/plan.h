/*
 * The plan: what differs between the world as desired and as observed, as
 * ordered steps.  Pure.  Printed, it is the dry run; hashed, it is what a
 * question or an approval is bound to.
 */
#ifndef HICLAW_PLAN_H
#define HICLAW_PLAN_H

#include "hiclaw/api.h"
#include "hiclaw/object.h"
#include "hiclaw/secure.h"
#include "hiclaw/world.h"

enum step_verb { STEP_CREATE, STEP_UPDATE, STEP_DELETE };
struct step {
	enum step_verb	 verb;
	char		*key, *owner;
	struct changes	 changes;	/* of an update */
	enum risk	 risk;
	const char	*note;		/* whose it is, or NULL */
	char		*detail;	/* lines that differ, or NULL */
};
/* One resource that the request changes. */
struct plan_resource {
	enum step_verb	 verb;
	const struct kind *kind;
	char		*name;
	struct field_changes fields;	/* of an update */
};
struct plan {
	struct step	*steps;		/* creates in order of dependence, updates,
					 * deletes in reverse order */
	size_t		 steps_n;
	struct plan_resource *resources;	/* by kind and name */
	size_t		 resources_n;
	size_t		 unchanged;	/* resources named that do not change */
	size_t		 creates, updates, deletes;	/* steps */
	size_t		 gains, losses;	/* people who come into a room that
					 * they had no business in, or out */
	enum risk	 risk;		/* of what is asked for; steps that
					 * were under way already add none */
	char		 hash[SHA256_HEX];	/* of what is asked for */
};
struct plan_input {
	const struct resources	*before, *after;
	const struct world	*world;		/* compiled from after */
	const struct object_view *current;	/* sorted by key */
	size_t			 current_n;
	/* the row of an object kind; providers' table, or a test's */
	const struct object_kind *(*kind)(const char *name);
};
struct plan *plan_make(const struct plan_input *);
void	 plan_free(struct plan *);
bool	 plan_is_empty(const struct plan *);	/* no steps, no resources */

/* "2 to create, 1 to change", and who loses or gains access. */
char	*plan_summary(const struct plan *);		/* yours */
/*
 * The steps for people: "create room team/frontend", "change room worker/bob:
 * add @ann:example.org", "delete account dave"; at most max lines and then
 * "and 12 more".  Values are cut at 60 characters; of file contents only the
 * number of lines is told.
 */
void	 plan_lines(const struct plan *, size_t max, struct strv *);
/*
 * The same, shorter: "create account alice, bob and 8 more", with so many names
 * in a list; what has another note stands on another line, and so does what lies
 * in other directories (names_fold).  One line more than max is shown rather than
 * told of.  True: something was left out.
 */
bool	 plan_groups(const struct plan *, size_t max, size_t names,
	    struct strv *);
/* The changed fields of resources: "change Team/frontend: spec.model ..." */
void	 plan_resource_lines(const struct plan *, size_t max, struct strv *);
/*
 * Names of objects of one kind in lines, each with so many in a list.  What lies
 * in the same directories says them once: "agents/alice, bob: AGENTS.md, SOUL.md".
 */
void	 names_fold(const struct strv *names, size_t max, struct strv *out);
/* For people: "room team/frontend" of "room:team/frontend"; yours. */
char	*object_title(const char *key);

#endif
