/*
 * Networks and volumes: made with our label, and left alone without it.
 *
 * A network has a fixed subnet, so that its gateway (where containers reach the
 * machine they run on) is an address that can be written down.
 */
#include "docker-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>

#include "hiclaw/secure.h"

#define MADE_MS		30000

static struct json *
our_labels(const struct json *more, const char *instance)
{
	struct json *labels = more != NULL ? json_copy(more) : json_object();

	json_set_str(labels, LABEL_INSTANCE, instance);
	return labels;
}

static bool
has_our_label(const struct json *inspect, const char *instance)
{
	return str_equal(json_str(json_get(inspect, "Labels"), LABEL_INSTANCE),
	    instance);
}

static char *
path_of(const char *what, const char *name)
{
	char *escaped = http_escape(name);
	char *path = xasprintf("/%s/%s", what, escaped);

	free(escaped);
	return path;
}

/* POST or DELETE; *res is the caller's on 0. */
static int
change(struct docker *d, const char *method, char *path,
    const struct json *body, struct docker_res *res, struct err *e)
{
	struct docker_req q = { .method = method, .path = path, .json = body,
	    .timeout_ms = MADE_MS };

	return docker_call(d, &q, res, e);
}

/* --- networks ------------------------------------------------------------- */

/* "10.1.2.0/24" -> "10.1.2.1" */
static bool
first_address(const char *subnet, char *dst, size_t size)
{
	char *net = xstrndup(subnet, strcspn(subnet, "/"));
	struct in_addr a;
	bool ok = inet_pton(AF_INET, net, &a) == 1 &&
	    strchr(subnet, '/') != NULL;

	free(net);
	if (!ok)
		return false;
	a.s_addr = htonl(ntohl(a.s_addr) + 1);
	return inet_ntop(AF_INET, &a, dst, (socklen_t)size) != NULL;
}

struct json *
docker_network_form(const char *name, const struct json *inspect)
{
	const struct json *ipam = json_first(json_get(json_get(inspect,
	    "IPAM"), "Config"));
	struct json *form = json_object();
	const char *subnet = json_strd(ipam, "Subnet", "");
	const char *gateway = json_str(ipam, "Gateway");
	char first[INET_ADDRSTRLEN];

	if (gateway == NULL && first_address(subnet, first, sizeof(first)))
		gateway = first;
	json_set_str(form, "name", name);
	json_set_str(form, "id", json_str(inspect, "Id"));
	json_set_str(form, "subnet", subnet);
	json_set_str(form, "gateway", gateway);
	return form;
}

void
docker_network_diff(const struct json *desired, const struct json *observed,
    struct changes *out)
{
	const char *to = json_str(desired, "subnet");
	const char *from = json_str(observed, "subnet");

	if (observed == NULL)
		changes_add(out, RISK_CREATE, "network", NULL,
		    json_str(desired, "name"));
	else if (!str_equal(json_str(desired, "name"), json_str(observed,
	    "name")))
		changes_add(out, RISK_RESTART, "name", json_str(observed,
		    "name"), json_str(desired, "name"));
	else if (to != NULL && !str_equal(to, from))
		changes_add(out, RISK_RESTART, "subnet", from, to);
}

/* The bridge has a name of its own: two engines on one machine would take the
 * first one that neither sees in use. */
static void
put_bridge(struct json *body, const struct work *w)
{
	char *text = xasprintf("%s %s %s", w->instance, json_strd(w->desired,
	    "name", ""), json_strd(w->desired, "subnet", ""));
	char hash[SHA256_HEX];

	sha256_hex(text, strlen(text), hash);
	free(text);
	json_set_strf(json_obj(body, "Options"),
	    "com.docker.network.bridge.name", "hc-%.10s", hash);
}

static int
network_create(struct docker *d, const struct work *w, struct err *e)
{
	const char *subnet = json_strd(w->desired, "subnet", "");
	struct json *body = json_object(), *ipam;
	struct docker_res res;
	char gateway[INET_ADDRSTRLEN];
	int rv;

	json_set_str(body, "Name", json_str(w->desired, "name"));
	json_set_str(body, "Driver", "bridge");
	json_set_bool(body, "CheckDuplicate", true);
	json_set(body, "Labels", our_labels(NULL, w->instance));
	put_bridge(body, w);
	if (first_address(subnet, gateway, sizeof(gateway))) {
		ipam = json_push(json_set(json_obj(body, "IPAM"), "Config",
		    json_array()), json_object());
		json_set_str(ipam, "Subnet", subnet);
		json_set_str(ipam, "Gateway", gateway);
	}
	rv = change(d, "POST", xstrdup("/networks/create"), body, &res, e);
	json_free(body);
	if (rv == -1)
		return -1;
	if (!docker_ok(&res)) {
		rv = docker_fail(&res, e, "making the network");
		if (strstr(res.text, "overlap") != NULL ||
		    strstr(res.text, "already used") != NULL ||
		    strstr(res.text, "subnet") != NULL)
			rv = err_set(e, ERR_CONFLICT, "the network %s cannot "
			    "have the subnet %s: %s", json_str(w->desired,
			    "name"), subnet, res.text);
	}
	docker_res_release(&res);
	return rv;
}

static int
network_delete(struct docker *d, const char *name, struct err *e)
{
	struct docker_res res;
	int rv = 0;

	if (change(d, "DELETE", path_of("networks", name), NULL, &res, e) == -1)
		return -1;
	if (!docker_ok(&res) && res.status != 404) {
		rv = docker_fail(&res, e, "removing the network");
		e->kind = ERR_RETRY;	/* in use, for now */
	}
	docker_res_release(&res);
	return rv;
}

int
docker_network_ensure(void *ctx, const struct work *w, struct outcome *out,
    struct err *e)
{
	struct docker *d = ctx;
	const char *name = json_strd(w->desired, "name", "");
	const char *subnet = json_str(w->desired, "subnet");
	struct json *there = NULL, *form = NULL;
	int rv = docker_get(d, path_of("networks", name), 0, &there,
	    &out->has_answer, e);

	if (rv == 0 && there != NULL) {
		if (!has_our_label(there, w->instance))
			rv = err_set(e, ERR_CONFLICT, "there is a network %s "
			    "that is not ours; remove it", name);
		form = docker_network_form(name, there);
	}
	/* Another subnet is another network: goes only while nobody is in it. */
	if (rv == 0 && there != NULL && subnet != NULL &&
	    !str_equal(subnet, json_str(form, "subnet"))) {
		rv = network_delete(d, name, e);
		json_free(there);
		there = NULL;
	}
	if (rv == 0 && there == NULL) {
		rv = network_create(d, w, e);
		if (rv == 0)
			rv = docker_get(d, path_of("networks", name), 0,
			    &there, NULL, e);
		if (rv == 0 && there == NULL)
			rv = err_set(e, ERR_RETRY, "the network %s was "
			    "removed as soon as it was made", name);
		json_free(form);
		form = rv == 0 ? docker_network_form(name, there) : NULL;
		if (rv == 0)
			strv_add(&out->did, "made");
	}
	if (rv == -1) {
		json_free(form);
		form = json_copy(w->observed);
	}
	out->observed = form;
	json_free(there);
	return rv;
}

int
docker_network_remove(void *ctx, const struct work *w, struct outcome *out,
    struct err *e)
{
	struct docker *d = ctx;
	const char *name = json_str(w->observed, "name");
	struct json *there = NULL;
	int rv = 0;

	if (name == NULL)
		return 0;
	rv = docker_get(d, path_of("networks", name), 0, &there,
	    &out->has_answer, e);
	if (rv == 0 && there != NULL && has_our_label(there, w->instance)) {
		rv = network_delete(d, name, e);
		if (rv == 0)
			strv_add(&out->did, "removed");
	}
	if (rv == -1)
		out->observed = json_copy(w->observed);
	json_free(there);
	return rv;
}

/* --- volumes -------------------------------------------------------------- */

void
docker_volume_diff(const struct json *desired, const struct json *observed,
    struct changes *out)
{
	if (observed == NULL)
		changes_add(out, RISK_CREATE, "volume", NULL,
		    json_str(desired, "name"));
}

int
docker_volume_ensure(void *ctx, const struct work *w, struct outcome *out,
    struct err *e)
{
	struct docker *d = ctx;
	const char *name = json_strd(w->desired, "name", "");
	struct json *there = NULL, *body;
	struct docker_res res;
	int rv = docker_get(d, path_of("volumes", name), 0, &there,
	    &out->has_answer, e);

	if (rv == 0 && there != NULL && !has_our_label(there, w->instance))
		rv = err_set(e, ERR_CONFLICT, "there is a volume %s that is "
		    "not ours", name);
	if (rv == 0 && there == NULL) {
		body = json_object();
		json_set_str(body, "Name", name);
		json_set(body, "Labels", our_labels(json_get(w->desired,
		    "labels"), w->instance));
		rv = change(d, "POST", xstrdup("/volumes/create"), body, &res,
		    e);
		json_free(body);
		if (rv == 0) {
			if (docker_ok(&res))
				strv_add(&out->did, "made");
			else
				rv = docker_fail(&res, e, "making the volume");
			docker_res_release(&res);
		}
	}
	json_free(there);
	if (rv == -1) {
		out->observed = json_copy(w->observed);
		return -1;
	}
	out->observed = json_object();
	json_set_str(out->observed, "name", name);
	return 0;
}

int
docker_volume_remove(void *ctx, const struct work *w, struct outcome *out,
    struct err *e)
{
	struct docker *d = ctx;
	const char *name = json_str(w->observed, "name");
	struct json *there = NULL;
	struct docker_res res;
	int rv = 0;

	if (name == NULL)
		return 0;
	rv = docker_get(d, path_of("volumes", name), 0, &there,
	    &out->has_answer, e);
	if (rv == 0 && there != NULL && has_our_label(there, w->instance)) {
		rv = change(d, "DELETE", path_of("volumes", name), NULL, &res,
		    e);
		if (rv == 0) {
			if (docker_ok(&res) || res.status == 404)
				strv_add(&out->did, "removed");
			else {
				rv = docker_fail(&res, e, "removing the volume");
				e->kind = ERR_RETRY;	/* in use, for now */
			}
			docker_res_release(&res);
		}
	}
	if (rv == -1)
		out->observed = json_copy(w->observed);
	json_free(there);
	return rv;
}
