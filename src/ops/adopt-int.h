/*
 * Shared by the files that declare what others did (adopt*.c) and nobody else: one
 * object that differed, while the resources that would say so are edited.
 */
#ifndef ADOPT_INT_H
#define ADOPT_INT_H

#include "hiclaw/ops.h"

struct edit { const struct resource *r; struct json *spec; };

struct adopting {
	const struct world_config *cfg;
	const struct resources *rs;
	struct origins	*origins;
	const char	*key, *owner;
	const struct resource *team;	/* that has the object, or NULL */
	struct origin	 origin;
	const struct json *found;	/* contents, or NULL */
	const char	*from, *to;	/* of the difference in hand */
	const char	*star;		/* what the * of the row stands for */
	struct edit	*edits;
	size_t		 n;
	struct adoption	*out;
};

/* adopt.c: a copy of the spec, to be edited; of an agent its own part. */
struct json *adopt_spec(struct adopting *, const struct resource *);
struct json *adopt_agent(struct adopting *, const struct agent *);
/* A list of a spec without what `is` says, which goes when it is left empty; and
 * with one more, which is taken. */
void	 adopt_drop(struct json *spec, const char *list,
	    bool (*is)(const struct json *item, const void *arg),
	    const void *arg);
void	 adopt_add(struct json *spec, const char *list, struct json *item);
/* No field can hold it, and why. */
void	 adopt_cannot(struct adopting *, const char *, ...) PRINTF(2, 3);

/* What rows of the table do: edit, or say why they cannot. */
void	 adopt_topic(struct adopting *);		/* adopt-room.c */
void	 adopt_member(struct adopting *);
void	 adopt_power(struct adopting *);
void	 adopt_soul(struct adopting *);			/* adopt-file.c */
void	 adopt_identity(struct adopting *);
void	 adopt_agents_md(struct adopting *);
void	 adopt_openclaw(struct adopting *);
void	 adopt_servers(struct adopting *);

#endif
