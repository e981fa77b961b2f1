/* A backup that is being made: see cmd-backup.c. */
#ifndef CHAT_BACKUP_H
#define CHAT_BACKUP_H

struct backup;
struct chat;

#define BACKUP_LAST_KEY	"chat.backup.last"	/* when there was one, in ms */

void	backup_free(struct backup *);
void	backup_tick(struct chat *);
void	backup_started(struct chat *);

#endif
