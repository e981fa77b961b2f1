/*
 * The registration: what the homeserver and we both know of us (application
 * service API, "Registration").  Decoded by a field table, so that a wrong line
 * is shown with its place.
 */
#include "hiclaw/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hiclaw/api.h"
#include "hiclaw/log.h"
#include "hiclaw/re.h"
#include "hiclaw/secure.h"

#include "config-int.h"

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
	    .help = "our token" },
	{ .name = "hs_token", .type = FIELD_STRING, .required = true,
	    .help = "the homeserver's token" },
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
	struct json *quoted = json_string(url);
	char *at = json_canonical(quoted);
	struct buf b = { 0 };

	buf_printf(&b,
	    "# Registration of HiClaw with the homeserver of %s.\n"
	    "# Both read this file; it holds secrets: keep it private.\n"
	    "# Synapse: add its path to app_service_config_files, restart.\n"
	    "id: hiclaw-%s\n"
	    "url: %s\n"
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
	    domain, id, at, as, hs, prefix, prefix, dom, prefix, dom);
	free(id);
	secret_free(as);
	secret_free(hs);
	free(dom);
	free(at);
	json_free(quoted);
	return buf_take(&b);
}

static int
take_regexes(const struct json *list, struct strv *out, struct err *err)
{
	const struct json *v;
	const char *regex;

	for (v = json_first(list); v != NULL; v = json_next(v)) {
		regex = json_str(v, "regex");
		if (!re_valid(regex))
			return err_set(err, ERR_USER, "namespaces: \"%.200s\" "
			    "is no regular expression", regex);
		if (json_bool(v, "exclusive", false))
			strv_add(out, regex);
	}
	return 0;
}

static struct json *
decode(const char *path, struct err *err)
{
	static const char *const secrets[] = { "as_token", "hs_token", NULL };
	struct problems problems = { 0 };
	struct json *r;
	char *text, *said;
	size_t len;

	if ((text = config_file(path, REGISTRATION_MAX, &len, err)) == NULL)
		return NULL;
	r = table_decode(registration_rows, text, len, &problems);
	if (r == NULL) {
		config_hide(&problems, secrets);
		said = problems_text(&problems);
		err_set(err, ERR_USER, "%s:\n%s", path, said);
		free(said);
	}
	problems_release(&problems);
	secret_free(text);
	return r;
}

static int
check_tokens(const struct json *r, struct err *err)
{
	static const char *const names[] = { "as_token", "hs_token" };

	for (size_t i = 0; i < NELEM(names); i++)
		if (strlen(json_str(r, names[i])) < TOKEN_MIN)
			return err_set(err, ERR_USER, "%s has fewer than %d "
			    "characters and can be guessed", names[i],
			    TOKEN_MIN);
	return 0;
}

static void
warn_registration(const struct json *r, const char *path)
{
	struct stat st;

	/* Left out, Synapse takes it as true. */
	if (json_bool(r, "rate_limited", true))
		log_warn("config", "%s: rate_limited is not false; the "
		    "homeserver will slow down what agents do", path);
	if (stat(path, &st) == 0 && (st.st_mode & S_IROTH) != 0)
		log_warn("config", "%s holds secrets and others may read it; "
		    "chmod o-rwx %s", path, path);
}

static void
forget(struct config *c)
{
	free(c->as_id);
	secret_free(c->as_token);
	secret_free(c->hs_token);
	free(c->sender);
	c->as_id = c->as_token = c->hs_token = c->sender = NULL;
	strv_release(&c->user_regex);
	strv_release(&c->alias_regex);
}

int
registration_load(struct config *c, const char *path, struct err *err)
{
	struct json *r;
	int rc = -1;

	if ((r = decode(path, err)) == NULL) {
		if (access(path, F_OK) == -1)
			err_set(err, ERR_USER, "%s: %s; make one with "
			    "hiclaw-controller --generate-registration, and "
			    "set homeserver.registration to its path", path,
			    strerror(errno));
		return -1;
	}
	forget(c);
	if (check_tokens(r, err) == 0 &&
	    take_regexes(json_path(r, "namespaces.users"), &c->user_regex,
	    err) == 0 && take_regexes(json_path(r, "namespaces.aliases"),
	    &c->alias_regex, err) == 0) {
		c->as_id = xstrdup(json_str(r, "id"));
		c->as_token = xstrdup(json_str(r, "as_token"));
		c->hs_token = xstrdup(json_str(r, "hs_token"));
		c->sender = xstrdup(json_str(r, "sender_localpart"));
		warn_registration(r, path);
		rc = 0;
	} else {
		err_prefix(err, "%s", path);
		forget(c);
	}
	json_free(r);
	return rc;
}
