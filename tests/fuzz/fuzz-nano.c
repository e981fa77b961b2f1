/*
 * What hiclaw-nano is fed with: the stream of a model, and its configuration.
 * Whatever comes, text is UTF-8 as far as the stream was, within its cap, and
 * cut into parts that leave nothing out; a configuration that is taken has all
 * that is needed to use it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/nano/home.h"
#include "../../src/nano/mention.h"
#include "../../src/nano/policy.h"
#include "../../src/nano/speech.h"
#include "../../src/nano/sse.h"

#define ME	"@hiclaw_alice:example.org"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check(bool ok)
{
	if (!ok)
		abort();
}

static void
speak(const char *text)
{
	struct part	 p;
	struct json	*mentions = mention_list(ME, text);
	char		*html = mention_html(ME, text);
	size_t		 at = 0, bad;

	check((html == NULL) == (json_size(mentions) == 0));
	check(html == NULL || !utf8_valid(text, strlen(text), &bad) ||
	    utf8_valid(html, strlen(html), &bad));
	free(html);
	json_free(mentions);
	speech_part(ME, text, 0, false);
	while (text[at] != '\0') {
		p = speech_part(ME, text, at, true);
		check(p.is_whole && p.end > at && p.end <= strlen(text));
		check(p.end - at <= PART_MAX);
		at = p.end;
	}
}

static void
stream(const char *data, size_t len)
{
	struct sse	s;
	size_t		half = len / 2;

	sse_init(&s);
	sse_feed(&s, data, half);
	sse_feed(&s, data + half, len - half);
	sse_end(&s);
	check(s.text.len <= ANSWER_MAX);
	speak(buf_str(&s.text));
	sse_release(&s);
	sse_init(&s);
	sse_whole(&s, data, len);
	sse_release(&s);
}

static void
events(const struct json *root)
{
	const struct json *v = json_first(root);
	struct home	 h = { .user = (char *)ME };
	struct heard	*e;

	for (; v != NULL; v = json_next(v)) {
		e = heard_new(ME, "!r", v);
		free(event_text(v));
		if (e == NULL)
			continue;
		check(e->hops <= HOPS_MAX && e->sender[0] == '@');
		policy_judge(&h, e, DIRECT_UNKNOWN);
		heard_free(e);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct home	*h = home_new("/nonexistent");
	char		*text = xstrndup((const char *)data, len);
	struct json	*root;
	struct err	 e;

	if (home_parse(h, (const char *)data, len, &e) == 0)
		check(h->user != NULL && h->token != NULL &&
		    h->homeserver != NULL && h->answer_s > 0 &&
		    (h->model == NULL || h->base_url != NULL));
	home_free(h);
	stream((const char *)data, len);
	speak(text);
	root = json_parse_relayed((const char *)data, len, &e);
	if (root != NULL)
		events(root);
	json_free(root);
	free(text);
	return 0;
}
