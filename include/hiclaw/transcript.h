/*
 * Transcripts: files that read like a chat and are played to a real controller
 * on a homeserver in memory (or a real one), so that policies and commands are
 * tested as people use them.  The language is in hiclaw-transcript(5).
 */
#ifndef HICLAW_TRANSCRIPT_H
#define HICLAW_TRANSCRIPT_H

/* hiclaw transcript ARGUMENT...; argv[0] is "transcript".  The exit status. */
int	transcript_main(int argc, char **argv);

#endif
