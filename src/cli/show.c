/* Tables, details, colours and the progress line. */
#include "cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX	10
#define GREEN		"\033[32m"
#define YELLOW		"\033[33m"
#define RED		"\033[31m"
#define DIM		"\033[2m"
#define BOLD		"\033[1m"
#define RESET		"\033[0m"

/* Characters, not bytes. */
static int
width(const char *s)
{
	int n = 0;

	for (; *s != '\0'; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

/* What others wrote must not steer the terminal. */
static void
put_safe(const char *s)
{
	for (; *s != '\0'; s++)
		putchar((unsigned char)*s < 0x20 || *s == 0x7f ? ' ' : *s);
}

static const char *
phase_color(const char *phase)
{
	static const struct { const char *phase, *color; } colors[] = {
		{ "Ready", GREEN }, { "Running", GREEN }, { "Active", GREEN },
		{ "Pending", YELLOW }, { "Updating", YELLOW },
		{ "Deleting", YELLOW }, { "Degraded", RED },
		{ "Failed", RED }, { "Sleeping", DIM }, { "Stopped", DIM },
	};

	for (size_t i = 0; i < NELEM(colors); i++)
		if (strcmp(colors[i].phase, phase) == 0)
			return colors[i].color;
	return NULL;
}

const char *
phase_colored(const struct cli *c, const char *phase)
{
	static char text[64];
	const char *color = c->colors ? phase_color(phase) : NULL;

	snprintf(text, sizeof text, "%s%s%s", color != NULL ? color : "",
	    phase, color != NULL ? RESET : "");
	return text;
}

/* --- tables -------------------------------------------------------------- */

struct table {
	size_t		 columns;
	int		 widths[COLUMNS_MAX];
	struct strv	 cells;		/* row by row, the heads first */
};

void
table_row(struct table *t, const char *const *cells)
{
	for (size_t i = 0; i < t->columns; i++) {
		const char *cell = cells[i] == NULL || cells[i][0] == '\0' ?
		    "-" : cells[i];

		strv_add(&t->cells, cell);
		if (width(cell) > t->widths[i])
			t->widths[i] = width(cell);
	}
}

struct table *
table_new(const char *const *heads)
{
	struct table *t = xcalloc(1, sizeof *t);

	while (t->columns < COLUMNS_MAX && heads[t->columns] != NULL)
		t->columns++;
	table_row(t, heads);
	return t;
}

void
table_free(struct table *t)
{
	strv_release(&t->cells);
	free(t);
}

static void
print_cell(struct cli *c, const struct table *t, size_t row, size_t column)
{
	const char *cell = t->cells.v[row * t->columns + column];
	const char *color = NULL;

	if (c->colors && row == 0)
		color = BOLD;
	else if (c->colors && strcmp(t->cells.v[column], "PHASE") == 0)
		color = phase_color(cell);
	if (color != NULL)
		fputs(color, stdout);
	put_safe(cell);
	if (color != NULL)
		fputs(RESET, stdout);
	if (column + 1 < t->columns)
		printf("%*s", t->widths[column] - width(cell) + 2, "");
	else
		putchar('\n');
}

void
table_print(struct cli *c, struct table *t)
{
	for (size_t row = 0; row * t->columns < t->cells.n; row++)
		for (size_t i = 0; i < t->columns; i++)
			print_cell(c, t, row, i);
	table_free(t);
}

/* --- details ------------------------------------------------------------- */

struct details { struct strv keys, values; int width; };

struct details *
details_new(void)
{
	return xcalloc(1, sizeof(struct details));
}

void
details_add(struct details *d, const char *key, const char *value)
{
	if (value == NULL || value[0] == '\0')
		return;
	strv_add(&d->keys, key);
	strv_add(&d->values, value);
	if (width(key) + 1 > d->width)
		d->width = width(key) + 1;
}

void
details_addf(struct details *d, const char *key, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	details_add(d, key, text);
	free(text);
}

void
details_print(struct cli *c, struct details *d)
{
	for (size_t i = 0; i < d->keys.n; i++) {
		printf("%s:%*s", d->keys.v[i],
		    d->width - 1 - width(d->keys.v[i]) + 2, "");
		if (strcmp(d->keys.v[i], "Phase") == 0)
			fputs(phase_colored(c, d->values.v[i]), stdout);
		else
			put_safe(d->values.v[i]);
		putchar('\n');
	}
	strv_release(&d->keys);
	strv_release(&d->values);
	free(d);
}

/* --- the progress line --------------------------------------------------- */

void
progress(struct cli *c, const char *fmt, ...)
{
	va_list ap;
	char *text, *s;

	if (!c->progress)
		return;
	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	for (s = text; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20)
			*s = ' ';
	/* One line of the smallest terminal, so that it can be written over. */
	text[utf8_prefix(text, 79)] = '\0';
	fprintf(stderr, "\r\033[K%s", text);
	fflush(stderr);
	free(text);
}

void
progress_end(struct cli *c)
{
	if (c->progress)
		fputs("\r\033[K", stderr);
}
