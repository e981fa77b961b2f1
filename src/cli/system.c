/* status, version: the controller itself. */
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool
wants_json(const struct cli *c)
{
	return c->output != NULL && strcmp(c->output, "json") == 0;
}

int
cmd_status(struct cli *c)
{
	static const struct { const char *key, *text; } rows[] = {
		{ "totalWorkers", "Total Workers" },
		{ "totalTeams", "Total Teams" },
		{ "totalHumans", "Total Humans" },
		{ "totalManagers", "Total Managers" },
		{ "totalTeamMembers", "Team Members" },
	};
	const struct json *v, *n;
	struct details *d;
	struct answer a;
	int rc = DONE;

	call(c, "GET", "status", NULL, &a);
	if (!answer_ok(&a))
		rc = answer_fail(c, &a);
	else if (wants_json(c))
		print_json(a.json);
	else {
		d = details_new();
		details_add(d, "Mode", json_str(a.json, "kubeMode"));
		for (size_t i = 0; i < NELEM(rows); i++)
			details_addf(d, rows[i].text, "%lld", (long long)
			    json_int(a.json, rows[i].key, 0));
		n = json_get(a.json, "objects");
		details_addf(d, "Objects", "%lld of %lld as declared, %lld "
		    "failed", (long long)json_int(n, "settled", 0),
		    (long long)json_int(n, "total", 0),
		    (long long)json_int(n, "failed", 0));
		v = json_first(json_get(a.json, "systems"));
		for (; v != NULL; v = json_next(v))
			details_add(d, json_key(v), json_value_bool(v, false) ?
			    "answers" : "does not answer");
		details_print(c, d);
	}
	answer_release(&a);
	return rc;
}

int
cmd_version(struct cli *c)
{
	struct details *d;
	struct answer a;
	int rc = DONE;

	call(c, "GET", "version", NULL, &a);
	if (!answer_ok(&a)) {
		printf("Client:  %s\n", PACKAGE_VERSION);
		rc = answer_fail(c, &a);
	} else if (wants_json(c))
		print_json(a.json);
	else {
		d = details_new();
		details_add(d, "Client", PACKAGE_VERSION);
		details_add(d, "Controller", json_str(a.json, "controller"));
		details_add(d, "Mode", json_str(a.json, "kubeMode"));
		details_print(c, d);
	}
	answer_release(&a);
	return rc;
}
