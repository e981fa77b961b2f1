/*
 * What life decides, as pure functions: when an agent is idle, and whom a
 * message mentions.
 */
#include "life-int.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "hiclaw/clock.h"

/* --- idle ------------------------------------------------------------------ */

int64_t
idle_due(const struct idle *i)
{
	if (!i->is_running || i->timeout_ms <= 0 ||
	    (i->role != AGENT_WORKER && i->role != AGENT_STANDALONE))
		return 0;
	return i->last_ms + i->timeout_ms;
}

int64_t
idle_save_ms(int64_t shortest_ms)
{
	int64_t part = shortest_ms / SAVE_PART;

	return shortest_ms > 0 && part < SAVE_MS ? part : SAVE_MS;
}

int64_t
idle_recall(int64_t was_ms, int64_t timeout_ms, int64_t now_ms)
{
	/* What came after the last write is not known. */
	int64_t least = now_ms - timeout_ms + idle_save_ms(timeout_ms);

	if (was_ms > now_ms)
		return now_ms;
	return timeout_ms > 0 && was_ms < least ? least : was_ms;
}

int64_t
idle_timeout(const struct resource *team, const struct resource *manager,
    int64_t otherwise_ms)
{
	const struct json *from = NULL;
	int64_t ms;

	if (team != NULL)
		from = json_get(team->spec, "leader");
	else if (manager != NULL)
		from = json_get(manager->spec, "config");
	ms = duration_ms(json_str(from, "workerIdleTimeout"));
	return ms >= 0 ? ms : otherwise_ms;
}

/* --- mentions --------------------------------------------------------------- */

/* What a localpart may hold (historical ones too). */
static bool
is_local(char c)
{
	return isalnum((unsigned char)c) || (c != '\0' &&
	    strchr("._=/+-", c) != NULL);
}

static bool
is_domain(char c)
{
	return isalnum((unsigned char)c) || (c != '\0' &&
	    strchr(".-:[]", c) != NULL);
}

/* At "@": the id of our domain that stands here, yours; or NULL. */
static char *
id_at(const char *at, const char *domain)
{
	size_t n = 1, d, len = strlen(domain);
	char *id;

	while (is_local(at[n]))
		n++;
	if (at[n] == ':' && isalnum((unsigned char)at[n + 1])) {
		for (d = n + 1; is_domain(at[d]); d++)
			;
		/* The colon or full stop behind it is the sentence's. */
		while (d > n + 1 + len && (at[d - 1] == '.' ||
		    at[d - 1] == ':' || at[d - 1] == '-'))
			d--;
		if (d - n - 1 != len || strncasecmp(at + n + 1, domain, len))
			return NULL;
	}
	while (n > 1 && (at[n - 1] == '.' || at[n - 1] == '-') &&
	    at[n] != ':')
		n--;
	if (n == 1)
		return NULL;
	id = xasprintf("%.*s:%s", (int)n, at, domain);
	for (size_t i = 0; i < n; i++)
		id[i] = (char)tolower((unsigned char)id[i]);
	return id;
}

static void
ids_in_text(const char *text, const char *domain, struct strv *ids)
{
	const char *at = text;
	char *id;

	for (; at != NULL && (at = strchr(at, '@')) != NULL; at++) {
		/* In "mail@host" it is something else. */
		if (at > text && is_local(at[-1]) && at[-1] != '/')
			continue;
		if ((id = id_at(at, domain)) != NULL)
			strv_add_unique(ids, id);
		free(id);
	}
}

/* "https://matrix.to/#/@alice:x.org", also percent-encoded. */
static void
ids_in_links(const char *html, const char *domain, struct strv *ids)
{
	static const char mark[] = "matrix.to/#/";
	struct buf b = { 0 };
	const char *p;
	char *id;

	for (; html != NULL && (html = strstr(html, mark)) != NULL;) {
		html += strlen(mark);
		buf_reset(&b);
		for (p = html; *p != '\0' && strchr("\"'>?", *p) == NULL; p++)
			if (strncasecmp(p, "%40", 3) == 0) {
				buf_putc(&b, '@');
				p += 2;
			} else if (strncasecmp(p, "%3A", 3) == 0) {
				buf_putc(&b, ':');
				p += 2;
			} else
				buf_putc(&b, *p);
		if (buf_str(&b)[0] == '@' &&
		    (id = id_at(buf_str(&b), domain)) != NULL) {
			strv_add_unique(ids, id);
			free(id);
		}
	}
	buf_release(&b);
}

/* The lines "> ..." that old clients put in front of a reply are another's. */
static const char *
own_text(const char *body)
{
	if (body == NULL || !str_starts(body, "> "))
		return body;
	while (*body == '>') {
		body += strcspn(body, "\n");
		body += *body == '\n';
	}
	return body;
}

/* ... and in HTML they are an element of their own. */
static const char *
own_html(const char *html)
{
	const char *end;

	if (html == NULL || !str_starts(html, "<mx-reply>"))
		return html;
	end = strstr(html, "</mx-reply>");
	return end != NULL ? end : html;
}

static void
mentions_in(const struct json *content, const char *domain,
    struct strv *ids)
{
	const struct json *v = json_first(json_get(json_get(content,
	    "m.mentions"), "user_ids"));

	for (; v != NULL; v = json_next(v))
		if (json_value_str(v) != NULL)
			strv_add_unique(ids, json_value_str(v));
	ids_in_links(own_html(json_str(content, "formatted_body")), domain,
	    ids);
	ids_in_text(own_text(json_str(content, "body")), domain, ids);
}

void
mentions_of(const struct json *content, const char *domain, struct strv *ids)
{
	const struct json *edit = json_get(content, "m.new_content");

	/* What bots say is for people. */
	if (str_equal(json_str(content, "msgtype"), "m.notice"))
		return;
	mentions_in(json_is(edit, JSON_OBJECT) ? edit : content, domain, ids);
}

bool
is_fresh(const struct json *event, int64_t slept_ms)
{
	/* Without a time it is new, as all that is pushed. */
	int64_t at = json_int(event, "origin_server_ts", 0);

	return at <= 0 || at > slept_ms - SKEW_MS;
}
