/*
 * Commands for clients that complete and check them, as MSC4391 has it
 * ("Simplified in-room bot commands", unstable prefix): what a command takes, as
 * a state event of the room, and what such a client sends, as the line that
 * somebody would have typed.  Pure.
 */
#ifndef CHAT_INVOCATION_H
#define CHAT_INVOCATION_H

#include "hiclaw/json.h"

#include "commands.h"
#include "input.h"

/* The member of a message's content. */
#define INVOCATION_KEY	"org.matrix.msc4391.command"

/* The content of a command's description; yours.  Arguments first, in their
 * order, then the manifest if it works on one, then flags. */
struct json *command_description(const struct command *);
/* SHA-256 of the command and its owner, in base64; yours. */
char	*command_state_key(const struct command *, const char *owner);
/*
 * The line that an invocation ({"command", "arguments"}) stands for; yours.
 * Always one: an argument that the command does not have becomes a flag that it
 * does not have, and that is refused as if it had been typed.  *manifest gets the
 * manifest in it, or NULL; it is the invocation's.
 */
char	*invocation_line(const struct commands *, const struct json *invocation,
	    const char **manifest);
/* If there is one in it: what it says counts, not the text. */
void	 invocation_take(const struct commands *, struct input *);

#endif
