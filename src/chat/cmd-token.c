/* token: a bearer token of our REST API, for scripts and the command line of who
 * asks; it may do what that person may do in chat. */
#include "chat-int.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"
#include "hiclaw/secure.h"

#include "cmd.h"

#define TOKEN_BYTES	32
#define DAYS_DEFAULT	30
#define DAYS_MAX	365
#define DAY_MS		(24 * 3600000LL)

static char *
subject_of(const struct request *q)
{
	return xasprintf("user:%s", q->sender);
}

static void
make_token(struct request *q, int days)
{
	char hash[SHA256_HEX], until[24], *token = rand_hex(TOKEN_BYTES);
	char *subject = subject_of(q);
	struct token_row row = { .sha256 = hash, .subject = subject,
	    .made_ms = clock_ms() };
	struct text t = { 0 };

	row.expires_ms = row.made_ms + days * DAY_MS;
	sha256_hex(token, strlen(token), hash);
	store_begin(q->chat->store);
	/* The others of this person go on until their own time. */
	store_token_put(q->chat->store, &row, DAYS_MAX * DAY_MS);
	token_tell(q->chat, q->sender, token, clock_utc(row.expires_ms,
	    until));
	text_printf(&t, "A token for %d day%s %s. `token revoke` ends all of "
	    "yours.", days, days == 1 ? "" : "s", q->where == IN_DM ?
	    "is in our direct chat" : "waits in our direct chat");
	say(q, REPLY_DONE, &t);
	text_release(&t);
	secret_free(token);
	free(subject);
}

static void
count(const struct token_row *row, void *arg)
{
	size_t *n = arg;

	*n += row->expires_ms > clock_ms();
}

static void
revoke(struct request *q)
{
	char *subject = subject_of(q);
	struct text t = { 0 };
	size_t n = 0;

	store_tokens_each(q->chat->store, subject, count, &n);
	store_begin(q->chat->store);
	store_tokens_remove(q->chat->store, subject);
	if (n == 0)
		text_puts(&t, "You have no token.");
	else
		text_printf(&t, "%zu token%s of yours ended.", n,
		    n == 1 ? "" : "s");
	say(q, REPLY_DONE, &t);
	text_release(&t);
	free(subject);
}

void
cmd_token(struct request *q)
{
	const char *word = words_flag(&q->words, "days");
	int days = DAYS_DEFAULT;
	char *end;

	if (word != NULL) {
		long n = strtol(word, &end, 10);

		days = *word == '\0' || *end != '\0' || n < 1 ||
		    n > DAYS_MAX ? 0 : (int)n;
	}
	if (days == 0)
		say_usage(q, "--days takes a number up to 365");
	else if (q->words.v.n == 0)
		make_token(q, days);
	else if (q->words.v.n == 1 && strcmp(q->words.v.v[0], "revoke") == 0)
		revoke(q);
	else
		say_usage(q, "a token is for yourself");
}
