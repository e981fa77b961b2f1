/*
 * What a container engine sends: events, frames of output, the lines of a pull,
 * answers to an inspect.  Whatever comes, in pieces or at once, what is handed
 * on is the same, and what people are shown is UTF-8 without control characters.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/provider/docker-int.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static int
take_line(void *arg, const char *line, size_t n)
{
	buf_add(arg, line, n);
	buf_putc(arg, '\n');
	return 0;
}

static int
take_frame(void *arg, int stream, const char *p, size_t n)
{
	if (stream != 1 && stream != 2)
		abort();
	buf_add(arg, p, n);
	return 0;
}

/* The same however it was cut. */
static void
streams(const char *text, size_t len, size_t step)
{
	struct docker_lines l1 = {0}, l2 = {0};
	struct docker_frames f1 = {0}, f2 = {0};
	struct buf all = {0}, parts = {0};
	int whole, rv = 0;

	docker_lines(&l1, text, len, take_line, &all);
	for (size_t i = 0; i < len; i += step)
		docker_lines(&l2, text + i, len - i < step ? len - i : step,
		    take_line, &parts);
	if (strcmp(buf_str(&all), buf_str(&parts)) != 0)
		abort();
	buf_reset(&all);
	buf_reset(&parts);
	whole = docker_frames(&f1, text, len, take_frame, &all);
	for (size_t i = 0; i < len && rv == 0; i += step)
		rv = docker_frames(&f2, text + i, len - i < step ? len - i :
		    step, take_frame, &parts);
	if (whole != rv || all.len != parts.len)
		abort();
	docker_lines_release(&l1);
	docker_lines_release(&l2);
	buf_release(&all);
	buf_release(&parts);
}

static void
shown(const char *text, size_t len, size_t max)
{
	char *clean = docker_clean(text, len, max);
	size_t n = strlen(clean), bad;

	if (n > max || !utf8_valid(clean, n, &bad))
		abort();
	for (size_t i = 0; i < n; i++)
		if (((unsigned char)clean[i] < ' ' && clean[i] != '\t') ||
		    clean[i] == 0x7f)
			abort();
	free(clean);
}

static void
lines(const char *text, size_t len)
{
	struct json *event;
	const char *id, *action;
	struct docker_pull p;
	int64_t ns;

	if (docker_event(text, len, &event, &id, &action, &ns) && *id == '\0')
		abort();
	json_free(event);
	docker_pull_init(&p);
	docker_pull_line(&p, text, len);
	(void)docker_pull_kind(p.error);
	docker_pull_release(&p);
}

/* News never make a form that cannot be read, and twice is once. */
static void
inspect(const char *text, size_t len)
{
	struct err e;
	struct json *v = json_parse_relayed(text, len, &e), *seen, *form, *f;

	if (v == NULL)
		return;
	seen = docker_seen(v);
	form = json_must("{\"id\":\"x\",\"state\":\"running\","
	    "\"started_ms\":1,\"ended_ms\":0}");
	docker_container_absorb(form, seen);
	if (json_str(form, "state") == NULL || docker_container_absorb(form,
	    seen))
		abort();
	docker_container_absorb(form, v);
	f = docker_network_form("n", v);
	json_free(f);
	json_free(form);
	json_free(seen);
	json_free(v);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *text = (const char *)data;
	unsigned uid, gid;

	if (len == 0)
		return 0;
	streams(text, len, 1 + data[0] % 16);
	shown(text, len, data[len - 1]);
	docker_user_in(text, len, "root", &uid, &gid);
	lines(text, len);
	inspect(text, len);
	return 0;
}
