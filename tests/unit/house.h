/*
 * Chat with the real engine and the real store, and a provider of the test's
 * own that does what it is told at once.
 */
#ifndef HOUSE_H
#define HOUSE_H

#include "hiclaw/chat.h"
#include "hiclaw/ops.h"
#include "hiclaw/world.h"

#include "obedient.h"

#define ADMIN		"!room:admin"
#define BOSS		"@boss:x.org"
#define JANE		"@jane:x.org"	/* tier 2 */

extern char fail_key[128];	/* nothing can be done about this object */
extern bool is_wordy;		/* differences are long texts */
void	be_slow(bool);		/* calls wait until told otherwise */

/* Nothing takes more room in an event. */
#define QUOTES "\"\"\"\"\"\"\"\"\"\"\"\""

struct house {
	struct loop	*loop;
	struct store	*store;
	struct engine	*engine;
	struct chat	*chat;
	struct waiting	 waiting;
	struct strv	 admins;
	struct library	*library;
	struct json	*providers, *mcps;	/* of a gateway, or NULL */
	struct json	*images;	/* of containers, or NULL */
	struct json	*policy;	/* chat.policy, or NULL */
	struct ops	 ops;
	struct life	*life;
	char		*dir, *commands, *templates, *backups;
	char		*extra;		/* commands of the operator, or NULL */
	struct json	*sent;		/* [{"id","room","op","content",...}] */
	int		 copies;	/* started from: ids of events differ */
	int		 events;
};

/* For cmocka: a house with its admin room, empty. */
int	 setup(void **state);
int	 teardown(void **state);
void	 house_open(struct house *);	/* also again, after house_close */
void	 house_close(struct house *);
char	*in_tree(const char *path);	/* below the source; yours */
void	 house_turn(void *house);	/* decide, commit, let go */
bool	 wait_for(struct house *, bool (*until)(struct house *));
bool	 is_quiet(struct house *);	/* nothing is left to do */
bool	 is_declared(struct house *, const char *kind, const char *name);

/* Everything due is sent; as often as that makes more due. */
void	 post(struct house *);
void	 forget_sent(struct house *);
size_t	 sent_n(struct house *);
/* The newest message whose reply is for that event; not edits. */
const struct json *reply_to(struct house *, const char *event);
const char *state_of(const struct json *reply);
const char *body_of(const struct json *reply);
int64_t	 question_of(const struct json *reply);
/* Replies that end a command, for this event. */
size_t	 finals_of(struct house *, const char *event);
void	 expect(const struct json *reply, const char *state, const char *part);

struct json *event_of(struct house *, const char *room, const char *sender,
	    const char *type);
enum chat_need give(struct house *, const struct json *event,
	    const struct chat_fetched *, char **what);
/* The event id, which stays as it is until the next but 15 messages. */
const char *speak_in(struct house *, const char *room, const char *sender,
	    const char *body, const char *reply_to_event);
const char *speak(struct house *, const char *body);
/* ... and wait until everything that follows from it is over. */
const struct json *ask(struct house *, const char *body);
/*
 * A command that needs an answer from outside: it must ask this, and is given
 * `data` (or, when that is NULL, an error).
 */
const struct json *ask_outside(struct house *, const char *body,
	    const char *question, const char *data);
/* What a client that knows commands sends (MSC4391), by the admin; as ask. */
const struct json *invoke(struct house *, const char *body,
	    const char *mention, const char *command, const char *arguments);
void	 react(struct house *, const char *sender, const char *target,
	    const char *key);
struct json *edit_of(struct house *, const char *room, const char *sender,
	    const char *target, const char *body);
const char *edit(struct house *, const char *sender, const char *target,
	    const char *body);		/* in the admin room */
const char *edit_in(struct house *, const char *room, const char *sender,
	    const char *target, const char *body);

#define HEAD(kind, name) "apiVersion: hiclaw.io/v1beta1\nkind: " kind \
    "\nmetadata:\n  name: " name "\n"
#define WORKER(name, model) HEAD("Worker", name) "spec:\n  model: " model "\n"
#define TEAM HEAD("Team", "web") \
    "  labels: {app: web}\n" \
    "spec:\n  leader:\n    name: lea\n    model: m\n" \
    "  workers:\n  - name: wim\n    model: m\n  - name: wanda\n    model: m\n"
#define HUMAN_2 HEAD("Human", "jane") "spec:\n  displayName: Jane\n" \
    "  matrixUserId: \"" JANE "\"\n  permissionLevel: 2\n"

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
