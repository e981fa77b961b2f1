/*
 * The registration: what the homeserver and we both know of us (application
 * service API, "Registration").  Decoded by a field table, so that a wrong line
 * is shown with its place.
 */
#include "hiclaw/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/api.h"
#include "hiclaw/secure.h"

#define REGISTRATION_MAX	65536
#define TOKEN_BYTES		32
#define TOKEN_MIN		16	/* shorter ones can be guessed */

static const struct field namespace_rows[] = {
	{ .name = "exclusive", .type = FIELD_BOOL, .required = true,
	    .help = "nobody else may use these names" },
	{ .name = "regex", .type = FIELD_STRING, .required = true,
	    .help = "names, as a regular expression" },
	{ .name = NULL }
};
static const struct field namespaces_rows[] = {
	{ .name = "users", .type = FIELD_LIST, .item = FIELD_OBJECT,
	    .required = true, .fields = namespace_rows, .help = "users" },
	{ .name = "aliases", .type = FIELD_LIST, .item = FIELD_OBJECT,
	    .required = true, .fields = namespace_rows, .help = "aliases" },
	{ .name = "rooms", .type = FIELD_LIST, .item = FIELD_OBJECT,
	    .fields = namespace_rows, .help = "rooms" },
	{ .name = NULL }
};
static const struct field registration_rows[] = {
	{ .name = "id", .type = FIELD_STRING, .required = true,
	    .pattern = "[A-Za-z0-9._-]{1,64}", .example = "hiclaw-1234abcd",
	    .help = "name of this instance, for ever" },
	{ .name = "url", .type = FIELD_STRING,
	    .help = "where the homeserver reaches us" },
	{ .name = "as_token", .type = FIELD_STRING, .required = true,
	    .min = TOKEN_MIN, .max = 255, .help = "our token" },
	{ .name = "hs_token", .type = FIELD_STRING, .required = true,
	    .min = TOKEN_MIN, .max = 255, .help = "the homeserver's token" },
	{ .name = "sender_localpart", .type = FIELD_STRING, .required = true,
	    .help = "a spare account; the bot is an ordinary one" },
	{ .name = "namespaces", .type = FIELD_OBJECT, .required = true,
	    .fields = namespaces_rows, .help = "our names" },
	{ .name = "rate_limited", .type = FIELD_BOOL, .help = "keep false" },
	{ .name = "protocols", .type = FIELD_LIST, .item = FIELD_STRING,
	    .help = "none" },
	{ .name = "receive_ephemeral", .type = FIELD_BOOL, .help = "not used" },
	{ .name = "de.sorunome.msc2409.push_ephemeral", .type = FIELD_BOOL,
	    .help = "not used" },
	{ .name = "org.matrix.msc3202", .type = FIELD_BOOL, .help = "not used" },
	{ .name = "io.element.msc4190", .type = FIELD_BOOL,
	    .help = "keep false: agents need tokens" },
	{ .name = NULL }
};

/* A domain as part of a regular expression. */
static char *
quote_regex(const char *s)
{
	struct buf b = { 0 };

	for (; *s != '\0'; s++) {
		if (strchr(".[]-", *s) != NULL)
			buf_putc(&b, '\\');
		buf_putc(&b, *s);
	}
	return buf_take(&b);
}

char *
registration_generate(const char *domain, const char *url, const char *prefix)
{
	char *id = rand_hex(4), *as = rand_hex(TOKEN_BYTES);
	char *hs = rand_hex(TOKEN_BYTES), *dom = quote_regex(domain);
	struct buf b = { 0 };

	buf_printf(&b,
	    "# Registration of HiClaw with the homeserver of %s.\n"
	    "# Both read this file; it holds secrets: keep it private.\n"
	    "# Synapse: add its path to app_service_config_files, restart.\n"
	    "id: hiclaw-%s\n"
	    "url: \"%s\"\n"
	    "as_token: \"%s\"\n"
	    "hs_token: \"%s\"\n"
	    "# A spare account: the homeserver does not let it sync, so the bot\n"
	    "# is an ordinary user of the namespace.\n"
	    "sender_localpart: _%s_as\n"
	    "rate_limited: false\n"
	    "namespaces:\n"
	    "  users:\n"
	    "    - exclusive: true\n"
	    "      regex: '^@%s(_[a-z0-9._=-]+)?:%s$'\n"
	    "  aliases:\n"
	    "    - exclusive: true\n"
	    "      regex: '^#%s_[a-z0-9._=/-]+:%s$'\n"
	    "  rooms: []\n",
	    domain, id, url, as, hs, prefix, prefix, dom, prefix, dom);
	free(id);
	secret_free(as);
	secret_free(hs);
	free(dom);
	return buf_take(&b);
}

static void
take_regexes(const struct json *list, struct strv *out)
{
	const struct json *v;

	for (v = json_first(list); v != NULL; v = json_next(v))
		if (json_bool(v, "exclusive", false))
			strv_add(out, json_str(v, "regex"));
}

static char *
read_text(const char *path, struct err *err)
{
	char *text = xmalloc(REGISTRATION_MAX + 1);
	FILE *f = fopen(path, "re");
	size_t n;

	if (f == NULL) {
		err_set(err, ERR_USER, "%s: %s; make one with "
		    "hiclaw-controller --generate-registration", path,
		    strerror(errno));
		free(text);
		return NULL;
	}
	n = fread(text, 1, REGISTRATION_MAX, f);
	fclose(f);
	text[n] = '\0';
	return text;
}

int
registration_load(struct config *c, const char *path, struct err *err)
{
	struct problems problems = { 0 };
	struct json *r;
	char *text, *said;

	if ((text = read_text(path, err)) == NULL)
		return -1;
	r = table_decode(registration_rows, text, strlen(text), &problems);
	secret_free(text);
	if (problems.errors > 0 || r == NULL) {
		/* Without the source lines: they may hold the tokens. */
		for (size_t i = 0; i < problems.n; i++) {
			free(problems.v[i].source);
			problems.v[i].source = NULL;
		}
		said = problems_text(&problems);
		err_set(err, ERR_USER, "%s:\n%s", path, said);
		free(said);
		problems_release(&problems);
		json_free(r);
		return -1;
	}
	problems_release(&problems);
	c->as_id = xstrdup(json_str(r, "id"));
	c->as_token = xstrdup(json_str(r, "as_token"));
	c->hs_token = xstrdup(json_str(r, "hs_token"));
	c->sender = xstrdup(json_str(r, "sender_localpart"));
	take_regexes(json_path(r, "namespaces.users"), &c->user_regex);
	take_regexes(json_path(r, "namespaces.aliases"), &c->alias_regex);
	json_free(r);
	return 0;
}
