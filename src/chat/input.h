/*
 * What a person meant by a message: the input pipeline.  Clients quote what is
 * replied to, write mentions in four ways, and put manifests into fences, bare
 * text, HTML or files; all of that is undone here.  Pure: an event in, a struct
 * input out.
 */
#ifndef CHAT_INPUT_H
#define CHAT_INPUT_H

#include "hiclaw/json.h"

/* How the bot is called. */
struct input_names {
	const char	*user;		/* "@hiclaw:example.org" */
	const char	*name;		/* "hiclaw" */
};

struct input {
	bool	 is_message;	/* a message of a person; else ignore it */
	char	*edit_of;	/* event id of the message this replaces */
	char	*reply_to;	/* event id */
	bool	 is_addressed;	/* it began with our name */
	char	*line;		/* the command line, "" when there is none */
	char	*manifest;	/* what is fenced or follows the line, or NULL */
	bool	 looks;		/* and it looks like one */
	bool	 is_fenced;
	char	*file_url;	/* mxc of an attachment that may be one */
	char	*file_name;
	bool	 is_yaml_file;	/* by its name; others need to be asked for */
	bool	 is_encrypted_file;
	struct json *invocation; /* what a client made of a command, for us, or
				 * NULL: see invocation.h */
};
void	input_read(const struct json *event, const struct input_names *,
	    struct input *);
void	input_release(struct input *);

/* The name of a file that may hold a manifest: 2 .yaml, .yml; 1 .json, .txt;
 * 0 no. */
int	input_file_kind(const char *name);
/*
 * Does it look like a manifest, also one that a phone has changed (capital
 * letters, blanks that are none, curly quotes)?
 */
bool	input_looks(const char *text);

/* The text with "\n" at the end of each line, without a byte order mark;
 * yours. */
char	*input_lines(const char *text, size_t len);

#endif
