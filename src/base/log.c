/*
 * The log: one event, one line, one write(2), so that lines of several
 * threads never mix.  Control characters and bytes that are not UTF-8 come out
 * as \xNN whoever put them there; in JSON mode the text is quoted on top.
 */
#include "hiclaw/log.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "hiclaw/clock.h"

#define LOG_TEXT_MAX	4096	/* bytes of one message; the rest is dropped */

static const char *const level_names[] = {
	[LOG_LVL_ERROR] = "error",
	[LOG_LVL_WARN] = "warn",
	[LOG_LVL_INFO] = "info",
	[LOG_LVL_DEBUG] = "debug",
};
static atomic_int	log_level = LOG_LVL_INFO;
static atomic_bool	log_json;

void
log_set_level(enum log_level level)
{
	atomic_store(&log_level, (int)level);
}

int
log_level_parse(const char *s, enum log_level *level)
{
	size_t	i;

	for (i = 0; i < NELEM(level_names); i++)
		if (strcasecmp(s, level_names[i]) == 0) {
			*level = (enum log_level)i;
			return 0;
		}
	return -1;
}

void
log_set_json(bool on)
{
	atomic_store(&log_json, on);
}

static void
log_escape_byte(struct buf *out, unsigned char c, bool json)
{
	buf_printf(out, "%sx%02x", json ? "\\\\" : "\\", c);
}

/* Bytes of the control character at s: one of C0 or DEL, two of C1; or 0. */
static size_t
control_len(const unsigned char *s, size_t left)
{
	if (s[0] < 0x20 || s[0] == 0x7f)
		return 1;
	return s[0] == 0xc2 && left > 1 && s[1] >= 0x80 && s[1] < 0xa0 ? 2 : 0;
}

/* Append text with what must not reach a terminal as \xNN. */
static void
log_escape(struct buf *out, const char *text, size_t len, bool json)
{
	const unsigned char	*s = (const unsigned char *)text;
	size_t			 i = 0, n, bad;

	while (i < len) {
		/* valid up to bad, which is what this round ends with */
		bad = len - i;
		utf8_valid(text + i, len - i, &bad);
		bad += i;
		while (i < bad) {
			n = control_len(s + i, bad - i);
			if (n == 0) {
				if (json && (s[i] == '"' || s[i] == '\\'))
					buf_putc(out, '\\');
				buf_putc(out, text[i++]);
			}
			for (; n > 0; n--)
				log_escape_byte(out, s[i++], json);
		}
		if (i < len)
			log_escape_byte(out, s[i++], json);
	}
}

static void
log_put(const struct buf *line)
{
	size_t	off = 0;
	ssize_t	n;

	while (off < line->len) {
		n = write(STDERR_FILENO, line->data + off, line->len - off);
		if (n <= 0)
			return;		/* nowhere left to complain */
		off += (size_t)n;
	}
}

static void
log_line(enum log_level level, const char *subsystem, const char *fmt,
    va_list ap)
{
	struct buf	 line = { 0 };
	char		 when[24], *text;
	const char	*name = level_names[level];
	size_t		 len;
	bool		 json = atomic_load(&log_json);

	if ((int)level > atomic_load(&log_level))
		return;
	text = xvasprintf(fmt, ap);
	len = utf8_prefix(text, LOG_TEXT_MAX);
	clock_iso(clock_ms(), when);
	if (json) {
		buf_printf(&line, "{\"time\":\"%s\",\"level\":\"%s\","
		    "\"subsystem\":\"", when, name);
		log_escape(&line, subsystem, strlen(subsystem), true);
		buf_puts(&line, "\",\"msg\":\"");
		log_escape(&line, text, len, true);
		buf_puts(&line, "\"}\n");
	} else {
		buf_printf(&line, "%s %s %s: ", when, name, subsystem);
		log_escape(&line, text, len, false);
		buf_putc(&line, '\n');
	}
	log_put(&line);
	buf_release(&line);
	free(text);
}

void
log_error(const char *subsystem, const char *fmt, ...)
{
	va_list	ap;

	va_start(ap, fmt);
	log_line(LOG_LVL_ERROR, subsystem, fmt, ap);
	va_end(ap);
}

void
log_warn(const char *subsystem, const char *fmt, ...)
{
	va_list	ap;

	va_start(ap, fmt);
	log_line(LOG_LVL_WARN, subsystem, fmt, ap);
	va_end(ap);
}

void
log_info(const char *subsystem, const char *fmt, ...)
{
	va_list	ap;

	va_start(ap, fmt);
	log_line(LOG_LVL_INFO, subsystem, fmt, ap);
	va_end(ap);
}

void
log_debug(const char *subsystem, const char *fmt, ...)
{
	va_list	ap;

	va_start(ap, fmt);
	log_line(LOG_LVL_DEBUG, subsystem, fmt, ap);
	va_end(ap);
}
