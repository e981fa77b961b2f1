/* The home of an agent.  See home.h. */
#include "home.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hiclaw/log.h"
#include "hiclaw/secure.h"

#define NAMES_MAX	10000	/* of one allow list */
#define ANSWER_S	600	/* when timeoutSeconds is not said */
#define ANSWER_S_MAX	3600
#define TOKEN_MAX	8192

/* --- small things --------------------------------------------------------- */

static const char *
env(const char *name)
{
	const char	*v = getenv(name);

	return v != NULL && v[0] != '\0' ? v : NULL;
}

/* A copy without slashes at its end; NULL gives NULL. */
static char *
trimmed(const char *url)
{
	size_t	n = url == NULL ? 0 : strlen(url);

	while (n > 0 && url[n - 1] == '/')
		n--;
	return n == 0 ? NULL : xstrndup(url, n);
}

static bool
is_url(const char *s)
{
	return s != NULL && (str_starts(s, "http://") ||
	    str_starts(s, "https://")) && strpbrk(s, " \t\r\n") == NULL;
}

char *
url_on(const char *origin, const char *url)
{
	const char	*p = strstr(url, "://");
	char		*base = trimmed(origin), *whole, *out;

	p = p == NULL ? url : p + 3;
	p += strcspn(p, "/");
	whole = xasprintf("%s%s", base == NULL ? "" : base, p);
	out = trimmed(whole);
	free(base);
	free(whole);
	return out;
}

/* A header must stay one line. */
static bool
is_token(const char *s)
{
	if (s == NULL || s[0] == '\0')
		return false;
	for (; *s != '\0'; s++)
		if ((unsigned char)*s <= 0x20 || (unsigned char)*s >= 0x7f)
			return false;
	return true;
}

/* --- openclaw.json -------------------------------------------------------- */

static enum rule
rule_of(const char *policy)
{
	if (str_equal(policy, "open"))
		return RULE_OPEN;
	/* "pairing", what is unknown and what is absent: those on the list */
	return str_equal(policy, "disabled") ? RULE_NOBODY : RULE_LISTED;
}

static void
take_names(struct strv *to, const struct json *list)
{
	const struct json *v;

	for (v = json_first(list); v != NULL && to->n < NAMES_MAX;
	    v = json_next(v))
		if (json_value_str(v) != NULL)
			strv_add(to, json_value_str(v));
}

static int
take_matrix(struct home *h, const struct json *m, struct err *e)
{
	const char	*url = env("HICLAW_MATRIX_URL");

	if (m == NULL)
		return err_set(e, ERR_USER, "has no channels.matrix");
	if (!json_bool(m, "enabled", true))
		return err_set(e, ERR_USER, "channels.matrix is not enabled");
	if (url == NULL)
		url = json_str(m, "homeserver");
	if (!is_url(url))
		return err_set(e, ERR_USER, "the homeserver is no URL");
	h->homeserver = trimmed(url);
	h->user = xstrdup(json_str(m, "userId"));
	if (h->user == NULL || h->user[0] != '@' ||
	    strchr(h->user, ':') == NULL || strlen(h->user) > 255)
		return err_set(e, ERR_USER, "userId is no Matrix id");
	h->token = xstrdup(json_str(m, "accessToken"));
	if (!is_token(h->token))
		return err_set(e, ERR_USER, "there is no accessToken yet");
	h->group_rule = rule_of(json_str(m, "groupPolicy"));
	h->dm_rule = rule_of(json_str(json_get(m, "dm"), "policy"));
	take_names(&h->group, json_get(m, "groupAllowFrom"));
	take_names(&h->dm, json_path(m, "dm.allowFrom"));
	h->groups = json_copy(json_get(m, "groups"));
	return 0;
}

/* "provider/model" of agents.defaults; else the first model there is. */
static int
take_model(struct home *h, const struct json *root, struct err *e)
{
	const struct json *all = json_path(root, "models.providers"), *p;
	const char *primary = json_str(json_path(root, "agents.defaults.model"),
	    "primary"), *slash, *url, *id;
	char *name;

	slash = primary == NULL ? NULL : strchr(primary, '/');
	if (slash != NULL) {
		name = xstrndup(primary, (size_t)(slash - primary));
		p = json_get(all, name);
		free(name);
		id = slash + 1;
	} else {
		p = json_first(all);
		id = primary != NULL ? primary :
		    json_str(json_first(json_get(p, "models")), "id");
	}
	if (p == NULL || id == NULL)
		return 0;
	url = json_str(p, "baseUrl");
	if (!is_url(url))
		return err_set(e, ERR_USER, "the model's baseUrl is no URL");
	h->base_url = env("HICLAW_AI_GATEWAY_URL") == NULL ? trimmed(url) :
	    url_on(env("HICLAW_AI_GATEWAY_URL"), url);
	if (!is_url(h->base_url))
		return err_set(e, ERR_USER, "the gateway's address is no URL");
	h->model = xstrdup(id);
	h->key = xstrdup(json_str(p, "apiKey"));
	if (h->key != NULL && !is_token(h->key)) {
		secret_free(h->key);
		h->key = NULL;
	}
	return 0;
}

static void
take_environment(struct home *h)
{
	const char	*manager = env("HICLAW_MANAGER_NAME");
	const char	*name = env("HICLAW_WORKER_CR_NAME");

	h->is_manager = name == NULL && manager != NULL;
	h->name = xstrdup(name != NULL ? name : manager);
	h->controller = is_url(env("HICLAW_CONTROLLER_URL")) ?
	    trimmed(env("HICLAW_CONTROLLER_URL")) : NULL;
	h->api_token = xstrdup(env("HICLAW_AUTH_TOKEN"));
	h->api_token_file = xstrdup(env("HICLAW_AUTH_TOKEN_FILE"));
}

/* What comes from the file; what comes from the environment stays. */
static void
clear(struct home *h)
{
	free(h->homeserver);
	free(h->user);
	secret_free(h->token);
	strv_release(&h->group);
	strv_release(&h->dm);
	json_free(h->groups);
	free(h->model);
	free(h->base_url);
	secret_free(h->key);
}

static void
move(struct home *to, const struct home *from)
{
	to->homeserver = from->homeserver;
	to->user = from->user;
	to->token = from->token;
	to->group_rule = from->group_rule;
	to->dm_rule = from->dm_rule;
	to->group = from->group;
	to->dm = from->dm;
	to->groups = from->groups;
	to->model = from->model;
	to->base_url = from->base_url;
	to->key = from->key;
	to->answer_s = from->answer_s;
}

int
home_parse(struct home *h, const char *text, size_t len, struct err *e)
{
	struct home	 new = { 0 };
	struct json	*root = json_parse(text, len, e);
	int64_t		 s;
	int		 rc = -1;

	if (root == NULL)
		return -1;
	s = json_int(json_path(root, "agents.defaults"), "timeoutSeconds",
	    ANSWER_S);
	new.answer_s = s < 1 || s > ANSWER_S_MAX ? ANSWER_S_MAX : (int)s;
	if (take_matrix(&new, json_path(root, "channels.matrix"), e) == 0 &&
	    take_model(&new, root, e) == 0) {
		clear(h);
		move(h, &new);
		rc = 0;
	} else
		clear(&new);
	json_wipe(root);
	return rc;
}

/* --- files ---------------------------------------------------------------- */

/* At most max bytes of a file, terminated, with how many there are; NULL with
 * errno.  for secret_free. */
static char *
read_some(const char *path, size_t max, size_t *len)
{
	int	 fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char	*text;
	ssize_t	 n;

	if (fd < 0)
		return NULL;
	text = xmalloc(max + 1);
	for (*len = 0; *len < max; *len += (size_t)n) {
		n = read(fd, text + *len, max - *len);
		if (n <= 0)
			break;
	}
	text[*len] = '\0';
	close(fd);
	return text;
}

static void
complain(struct home *h, const char *what)
{
	if (strcmp(h->complaint, what) == 0)
		return;
	str_copy(h->complaint, what, sizeof(h->complaint));
	log_warn("home", "openclaw.json: %s; %s", what,
	    h->is_loaded ? "the settings from before stay" : "waiting for it");
}

static bool
same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_size == b->st_size &&
	    a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	    a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	    a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	    a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static void
load(struct home *h, const char *path, bool has_changed)
{
	struct err	 e;
	size_t		 len;
	char		*text = read_some(path, OPENCLAW_MAX + 1, &len);

	if (text == NULL)
		complain(h, strerror(errno));
	else if (len > OPENCLAW_MAX)
		complain(h, "it is too large");
	else if (home_parse(h, text, len, &e) != 0)
		complain(h, e.msg);
	else {
		if (has_changed)
			log_info("home", "%s openclaw.json: %s, %s, %zu may "
			    "speak in rooms, %zu directly, model %s",
			    h->is_loaded ? "took the changed" : "read",
			    h->user, h->homeserver, h->group.n, h->dm.n,
			    h->model == NULL ? "none" : h->model);
		h->is_loaded = true;
		h->complaint[0] = '\0';
	}
	secret_free(text);
}

bool
home_refresh(struct home *h, bool anyway)
{
	char		*path = xasprintf("%s/openclaw.json", h->dir);
	struct stat	 st;
	bool		 has_changed;

	if (stat(path, &st) != 0)
		complain(h, strerror(errno));
	else if (anyway || !same_file(&st, &h->st)) {
		has_changed = !same_file(&st, &h->st);
		h->st = st;
		load(h, path, has_changed);
	}
	free(path);
	return h->is_loaded;
}

char *
home_api_token(const struct home *h)
{
	char	*text;
	size_t	 len;

	if (h->api_token != NULL)
		text = xstrdup(h->api_token);
	else if (h->api_token_file == NULL ||
	    (text = read_some(h->api_token_file, TOKEN_MAX, &len)) == NULL)
		return NULL;
	text[strcspn(text, " \t\r\n")] = '\0';
	if (is_token(text))
		return text;
	secret_free(text);
	return NULL;
}

char *
home_text(const struct home *h, const char *name, size_t max)
{
	char	*path = xasprintf("%s/%s", h->dir, name), *text;
	size_t	 len, bad;

	text = read_some(path, max + 1, &len);
	free(path);
	if (text == NULL)
		return NULL;
	if (len > max) {
		len = max;
		while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;
		text[len] = '\0';
		log_warn("home", "%s: only the first %zu bytes are read", name,
		    len);
	}
	if (utf8_valid(text, len, &bad))
		return text;
	log_warn("home", "%s: byte %zu is not UTF-8; left out", name, bad);
	free(text);
	return NULL;
}

struct home *
home_new(const char *dir)
{
	struct home	*h = xcalloc(1, sizeof(*h));

	if (dir == NULL)
		dir = env("HOME");
	h->dir = dir == NULL ? xstrdup(".") : trimmed(dir);
	if (h->dir == NULL)
		h->dir = xstrdup("/");
	take_environment(h);
	return h;
}

void
home_free(struct home *h)
{
	if (h == NULL)
		return;
	clear(h);
	free(h->dir);
	free(h->name);
	free(h->controller);
	secret_free(h->api_token);
	free(h->api_token_file);
	free(h);
}
