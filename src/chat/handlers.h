/*
 * The built-in handlers that command files name: one function each, in
 * cmd-<name>.c, and a row in handlers.c.
 */
#ifndef CHAT_HANDLERS_H
#define CHAT_HANDLERS_H

/* NULL-terminated, for commands_load; the index is that of the row. */
const char *const *handler_names(void);

#endif
