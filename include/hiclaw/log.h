/*
 * One line per event on stderr: time, level, subsystem, text.  Text from
 * outside is escaped on the way (control bytes become \xNN), so callers need
 * not.  State changes at debug, decisions at info.  Thread-safe.
 */
#ifndef HICLAW_LOG_H
#define HICLAW_LOG_H

#include "hiclaw/base.h"

enum log_level { LOG_LVL_ERROR, LOG_LVL_WARN, LOG_LVL_INFO, LOG_LVL_DEBUG };

void	log_set_level(enum log_level);
int	log_level_parse(const char *, enum log_level *) MUST_CHECK;
/* With json set, lines are JSON objects {time,level,subsystem,msg}. */
void	log_set_json(bool);
void	log_error(const char *subsystem, const char *, ...) PRINTF(2, 3);
void	log_warn(const char *subsystem, const char *, ...) PRINTF(2, 3);
void	log_info(const char *subsystem, const char *, ...) PRINTF(2, 3);
void	log_debug(const char *subsystem, const char *, ...) PRINTF(2, 3);

#endif
