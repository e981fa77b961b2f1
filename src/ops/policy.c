/*
 * What a change needs before it runs, as a table over asker and risk, and who
 * decides; see policy.h.
 */
#include "hiclaw/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"
#include "hiclaw/matrix.h"

#define DAY_MS		INT64_C(86400000)
#define WEEK_MIN	10080		/* minutes */
#define WINDOWS_MAX	50		/* nobody reads more */
#define RISKS		(RISK_DELETE + 1)
#define APPROVE_MS	DAY_MS
#define DELETE_MAX	10		/* resources that a tap may take away */

struct window { int from, to; char *name; };	/* minutes of the week, to
						 * may lie in the next one */
struct policy {
	struct policy_rule rules[ASKERS][RISKS];
	struct window	*windows;
	size_t		 windows_n;
	int64_t		 delete_max;
};

static const char *const asker_names[ASKERS] = {
	[ASKER_TIER1] = "tier1", [ASKER_TIER2] = "tier2",
	[ASKER_TIER3] = "tier3", [ASKER_AGENT] = "agents",
};
static const char *const mode_names[] = {
	[POLICY_RUN] = "run", [POLICY_CONFIRM] = "confirm",
	[POLICY_APPROVE] = "approve",
};
static const char *const verdict_names[] = {
	[VERDICT_NONE] = "none", [VERDICT_APPROVE] = "approve",
	[VERDICT_DENY] = "deny", [VERDICT_HOLD] = "hold",
	[VERDICT_RELEASE] = "release",
};

static size_t
find_word(const char *const *words, size_t n, const char *word)
{
	size_t i = 0;

	while (i < n && !str_equal(words[i], word))
		i++;
	return i;
}

const char *
verdict_name(enum verdict v)
{
	return verdict_names[v];
}

enum verdict
verdict_find(const char *name)
{
	size_t i = find_word(verdict_names, NELEM(verdict_names), name);

	return i < NELEM(verdict_names) ? (enum verdict)i : VERDICT_NONE;
}

/* --- the default ----------------------------------------------------------- */

static void
set_mode(struct policy_rule *r, enum policy_mode mode, int64_t confirm_ms)
{
	policy_rule_release(r);
	r->mode = mode;
	r->count = 1;
	r->by_tier1 = mode == POLICY_APPROVE;
	r->ttl_ms = mode == POLICY_CONFIRM ? confirm_ms : APPROVE_MS;
}

static void
set_defaults(struct policy *p, int64_t confirm_ms)
{
	for (int a = 0; a < ASKERS; a++)
		for (int r = 0; r < RISKS; r++) {
			enum policy_mode mode = POLICY_RUN;

			if (a == ASKER_AGENT || (a != ASKER_TIER1 &&
			    r > RISK_RESTART))
				mode = POLICY_APPROVE;
			else if (a == ASKER_TIER1 && r == RISK_DELETE)
				mode = POLICY_CONFIRM;
			set_mode(&p->rules[a][r], mode, confirm_ms);
		}
	p->delete_max = DELETE_MAX;
}

/* --- reading it ------------------------------------------------------------ */

static int
read_approvers(const struct json *list, struct policy_rule *r, struct err *e)
{
	const struct json *v;

	r->by_tier1 = false;
	for (v = json_first(list); v != NULL; v = json_next(v)) {
		const char *who = json_value_str(v);

		if (str_equal(who, "tier1"))
			r->by_tier1 = true;
		else if (str_equal(who, "team"))
			r->by_team = true;
		else if (who != NULL && who[0] == '@' && mxid_valid(who))
			strv_add_unique(&r->users, who);
		else
			return err_set(e, ERR_USER, "approvers: \"%.80s\" is "
			    "not tier1, team or a Matrix id such as "
			    "@ann:example.org", who != NULL ? who : "");
	}
	return 0;
}

/* One cell of the table. */
static int
read_cell(const struct json *row, int64_t confirm_ms, struct policy_rule *r,
    struct err *e)
{
	const char *mode = json_strd(row, "mode", "");
	const char *expires = json_str(row, "expires");
	size_t m = find_word(mode_names, NELEM(mode_names), mode);
	int64_t ttl_ms;

	if (m == NELEM(mode_names))
		return err_set(e, ERR_USER, "mode: \"%.40s\" is not run, "
		    "confirm or approve", mode);
	set_mode(r, (enum policy_mode)m, confirm_ms);
	if (json_get(row, "approvers") != NULL &&
	    read_approvers(json_get(row, "approvers"), r, e) == -1)
		return -1;
	r->count = (int)json_int(row, "approvals", 1);
	r->requester = json_bool(row, "requester", false);
	if (expires != NULL) {
		if ((ttl_ms = duration_planned_ms(expires)) == -1)
			return err_set(e, ERR_USER, "expires: \"%.40s\" is no "
			    "time such as 30m or 24h", expires);
		r->ttl_ms = ttl_ms;
	}
	if (r->mode != POLICY_APPROVE)
		return 0;
	if (r->count < 1 || r->count > 20)
		return err_set(e, ERR_USER, "approvals: from 1 to 20 people");
	if (!r->by_tier1 && !r->by_team && r->users.n == 0)
		return err_set(e, ERR_USER, "approvers: nobody could approve");
	if (!r->by_tier1 && !r->by_team && r->users.n < (size_t)r->count)
		return err_set(e, ERR_USER, "approvals: %d people are needed, "
		    "and %zu are named", r->count, r->users.n);
	return 0;
}

static bool
names_risk(const struct json *row, enum risk risk)
{
	const struct json *list = json_get(row, "risk"), *v;

	if (list == NULL)
		return true;
	for (v = json_first(list); v != NULL; v = json_next(v))
		if (str_equal(json_value_str(v), risk_name(risk)))
			return true;
	return false;
}

static int
check_words(const struct json *row, struct err *e)
{
	const char *asker = json_str(row, "asker");
	const struct json *v = json_first(json_get(row, "risk"));
	bool is_known = true;

	if (asker != NULL && find_word(asker_names, ASKERS, asker) == ASKERS)
		return err_set(e, ERR_USER, "asker: \"%.40s\" is not tier1, "
		    "tier2, tier3 or agents", asker);
	for (; v != NULL && is_known; v = json_next(v)) {
		is_known = false;
		for (int r = RISK_CREATE; r < RISKS; r++)
			is_known |= str_equal(json_value_str(v),
			    risk_name((enum risk)r));
		if (!is_known)
			return err_set(e, ERR_USER, "risk: \"%.40s\" is not "
			    "create, update, restart, permission, credential "
			    "or delete", json_value_str(v) != NULL ?
			    json_value_str(v) : "");
	}
	return 0;
}

/* Without an asker it is for all, without a risk for every risk. */
static int
read_rule(struct policy *p, const struct json *row, int64_t confirm_ms,
    struct err *e)
{
	const char *asker = json_str(row, "asker");

	if (check_words(row, e) == -1)
		return -1;
	for (int a = 0; a < ASKERS; a++) {
		if (asker != NULL && strcmp(asker, asker_names[a]) != 0)
			continue;
		for (int r = RISK_NONE; r < RISKS; r++)
			if (names_risk(row, (enum risk)r) && read_cell(row,
			    confirm_ms, &p->rules[a][r], e) == -1)
				return -1;
	}
	return 0;
}

/* "17:00" to minutes; NULL: it is none, else behind it. */
static const char *
read_clock(const char *s, int *minutes)
{
	int h, m, n = 0;

	if (sscanf(s, "%2d:%2d%n", &h, &m, &n) != 2 || n < 4 || h < 0 ||
	    h > 24 || m < 0 || m > 59 || h * 60 + m > 1440)
		return NULL;
	*minutes = h * 60 + m;
	return s + n;
}

/* "Fri 17:00" or, with *day == -1, "17:00". */
static const char *
read_moment(const char *s, int *day, int *minutes)
{
	static const char *const days[] = { "Mon", "Tue", "Wed", "Thu", "Fri",
	    "Sat", "Sun" };

	*day = -1;
	for (int i = 0; i < 7; i++)
		if (str_starts(s, days[i])) {
			*day = i;
			s += strlen(days[i]);
		}
	return read_clock(s + strspn(s, " "), minutes);
}

static void
add_window(struct policy *p, int from, int to, const char *name)
{
	p->windows = xreallocarray(p->windows, p->windows_n + 1,
	    sizeof *p->windows);
	p->windows[p->windows_n++] = (struct window){ from, to <= from ?
	    to + WEEK_MIN : to, xstrdup(name) };
}

static int
read_window(struct policy *p, const char *text, struct err *e)
{
	int day, day2, from, to;
	const char *s = read_moment(text, &day, &from);

	if (s != NULL)
		s += strspn(s, " ");
	if (s == NULL || *s != '-')
		goto wrong;
	s = read_moment(s + 1 + strspn(s + 1, " "), &day2, &to);
	if (s == NULL || *s != '\0' || (day == -1) != (day2 == -1))
		goto wrong;
	if (day != -1)
		add_window(p, day * 1440 + from, day2 * 1440 + to, text);
	for (int d = 0; day == -1 && d < 7; d++)
		add_window(p, d * 1440 + from, (to <= from ? d + 1 : d) *
		    1440 + to, text);
	return 0;
wrong:
	return err_set(e, ERR_USER, "freeze_windows: \"%.60s\" reads neither "
	    "\"Fri 17:00-Mon 08:00\" nor \"22:00-06:00\" (UTC)", text);
}

struct policy *
policy_read(const struct json *o, int64_t confirm_ms, struct err *e)
{
	struct policy *p = xcalloc(1, sizeof *p);
	const struct json *v;
	int n = 0, rc = 0;

	set_defaults(p, confirm_ms);
	v = json_first(json_get(o, "rules"));
	for (; v != NULL && rc == 0; v = json_next(v)) {
		n++;
		if ((rc = read_rule(p, v, confirm_ms, e)) == -1)
			err_prefix(e, "rules[%d]", n - 1);
	}
	v = json_first(json_get(o, "freeze_windows"));
	for (; v != NULL && rc == 0; v = json_next(v))
		rc = p->windows_n < WINDOWS_MAX * 7 ? read_window(p,
		    json_value_str(v) != NULL ? json_value_str(v) : "", e) :
		    err_set(e, ERR_USER, "freeze_windows: too many");
	p->delete_max = json_int(o, "delete_type_name_above", p->delete_max);
	if (rc == -1) {
		policy_free(p);
		return NULL;
	}
	return p;
}

void
policy_free(struct policy *p)
{
	if (p == NULL)
		return;
	for (int a = 0; a < ASKERS; a++)
		for (int r = 0; r < RISKS; r++)
			policy_rule_release(&p->rules[a][r]);
	for (size_t i = 0; i < p->windows_n; i++)
		free(p->windows[i].name);
	free(p->windows);
	free(p);
}

/* --- asking it ------------------------------------------------------------- */

const struct policy_rule *
policy_rule(const struct policy *p, enum policy_asker asker, enum risk risk)
{
	return &p->rules[asker][risk];
}

bool
policy_asks_word(const struct policy *p, size_t deleted)
{
	return deleted > 0 && (int64_t)deleted > p->delete_max;
}

/* Minutes left in the window at this minute of the week; 0: it is outside. */
static int
left_in(const struct window *w, int minute)
{
	if (minute >= w->from && minute < w->to)
		return w->to - minute;
	minute += WEEK_MIN;
	return minute >= w->from && minute < w->to ? w->to - minute : 0;
}

bool
policy_is_frozen(const struct policy *p, int64_t now_ms, int64_t *until_ms,
    const char **name)
{
	/* 1970 began on a Thursday. */
	int64_t minutes = now_ms / 60000 + 3 * 1440, end = minutes;
	bool moved = true;

	*name = NULL;
	while (moved && end - minutes <= WEEK_MIN) {
		moved = false;
		for (size_t i = 0; i < p->windows_n; i++) {
			int left = left_in(&p->windows[i],
			    (int)(end % WEEK_MIN));

			if (left == 0)
				continue;
			if (*name == NULL)
				*name = p->windows[i].name;
			end += left;
			moved = true;
		}
	}
	*until_ms = (end - 3 * 1440) * 60000;
	return *name != NULL;
}

/* --- a rule that is kept ---------------------------------------------------- */

void
policy_rule_release(struct policy_rule *r)
{
	strv_release(&r->users);
	memset(r, 0, sizeof *r);
}

struct json *
policy_rule_json(const struct policy_rule *r)
{
	struct json *o = json_object(), *list;

	json_set_str(o, "mode", mode_names[r->mode]);
	json_set_int(o, "ttl_ms", r->ttl_ms);
	if (r->mode != POLICY_APPROVE)
		return o;
	json_set_int(o, "approvals", r->count);
	json_set_bool(o, "requester", r->requester);
	list = json_set(o, "approvers", json_array());
	if (r->by_tier1)
		json_push_str(list, "tier1");
	if (r->by_team)
		json_push_str(list, "team");
	for (size_t i = 0; i < r->users.n; i++)
		json_push_str(list, r->users.v[i]);
	return o;
}

void
policy_rule_read(const struct json *o, struct policy_rule *r)
{
	size_t m = find_word(mode_names, NELEM(mode_names), json_str(o,
	    "mode"));
	const struct json *v;

	memset(r, 0, sizeof *r);
	/* What we do not understand is not let pass. */
	r->mode = m < NELEM(mode_names) ? (enum policy_mode)m :
	    POLICY_APPROVE;
	r->ttl_ms = json_int(o, "ttl_ms", APPROVE_MS);
	r->count = (int)json_int(o, "approvals", 1);
	r->requester = json_bool(o, "requester", false);
	v = json_first(json_get(o, "approvers"));
	for (; v != NULL; v = json_next(v)) {
		const char *who = json_value_str(v);

		r->by_tier1 |= str_equal(who, "tier1");
		r->by_team |= str_equal(who, "team");
		if (who != NULL && who[0] == '@')
			strv_add(&r->users, who);
	}
}

/* --- decisions --------------------------------------------------------------- */

enum entitled
policy_entitled(const struct policy_rule *r, const struct voter *v)
{
	if (v->tier == 0)
		return NOT_ENTITLED;
	if (r->mode != POLICY_APPROVE)
		return v->is_requester ? IS_ENTITLED : NOT_ENTITLED;
	if (!((r->by_tier1 && v->tier == 1) ||
	    (r->by_team && v->is_in_team) || strv_has(&r->users, v->user)))
		return NOT_ENTITLED;
	return v->is_requester && !r->requester ? NOT_THE_REQUESTER :
	    IS_ENTITLED;
}

enum tally
policy_tally(const struct policy_rule *r, const struct vote *votes, size_t n,
    int *missing)
{
	int approved = 0, needed = r->mode == POLICY_APPROVE ? r->count : 1;
	bool is_held = false;

	*missing = needed;
	for (size_t i = 0; i < n; i++) {
		const struct vote *v = &votes[i];
		bool counts = policy_entitled(r, &v->voter) == IS_ENTITLED;

		if (v->verdict == VERDICT_DENY && counts)
			return TALLY_DENIED;
		/* Who may hold was asked when they did. */
		is_held |= v->verdict == VERDICT_HOLD;
		approved += v->verdict == VERDICT_APPROVE && counts;
	}
	*missing = approved < needed ? needed - approved : 0;
	if (is_held)
		return TALLY_HELD;
	return *missing == 0 ? TALLY_READY : TALLY_OPEN;
}
