/*
 * Server-sent events of /chat/completions: bytes in, text out.  Pure, and fed
 * with whatever a server sends; a line has a cap.
 */
#ifndef NANO_SSE_H
#define NANO_SSE_H

#include "hiclaw/json.h"

#define SSE_LINE_MAX	(256 * 1024)
#define ANSWER_MAX	(48 * 1024)	/* bytes of text that are kept */

struct sse {
	struct buf	line;		/* the line so far */
	struct buf	text;		/* all that the model said */
	bool		is_done;	/* "[DONE]", or a reason to finish */
	bool		is_error;	/* the stream says that it failed */
	bool		is_long;	/* text was dropped beyond ANSWER_MAX */
	bool		skips;		/* a line that is too long */
};

void	sse_init(struct sse *);
void	sse_release(struct sse *);
/* More bytes; true when the text has grown. */
bool	sse_feed(struct sse *, const char *, size_t);
/* The bytes are over: a line without its end counts as well. */
bool	sse_end(struct sse *);
/* An answer that was not streamed after all.  false: it is none. */
bool	sse_whole(struct sse *, const char *json, size_t);

#endif
