/*
 * Containers by Docker Engine or Podman, through the Engine API: see
 * docker-int.h for what the files share.
 *
 *	docker-call.c		calls, versions, who is there
 *	docker-form.c		pure: what is asked for, what differs
 *	docker-stream.c		pure: lines, frames, events, pulls
 *	docker-container.c	one container, made so
 *	docker-image.c, docker-net.c	what it needs
 *	docker-look.c, docker-watch.c	what becomes of all of them
 *	docker-logs.c		what people ask of one
 *
 * Questions: {"op": "logs", "name": "alice", "tail": 50} gives {"lines":
 * [{"stream", "text"}]}; {"op": "exec", "name", "command": ["ls", "-l"]} gives
 * {"code"?, "output", "cut", "timed_out"}.
 */
#include "docker-int.h"

#include <stdlib.h>
#include <string.h>

#include "provider-int.h"

/* --- questions ------------------------------------------------------------ */

/* The container of an agent, if it is ours; *id is yours. */
static int
find_named(struct docker *d, const char *agent, char **id, struct err *e)
{
	char *name = xasprintf("%s-%s", d->instance, agent);
	struct json *there = NULL;
	int rv = docker_inspect(d, name, &there, NULL, e);

	if (rv == 0 && (there == NULL || !docker_is_ours(there, d->instance)))
		rv = err_set(e, ERR_NOTFOUND, "%s has no container", agent);
	if (rv == 0)
		*id = xstrdup(json_strd(there, "Id", ""));
	json_free(there);
	free(name);
	return rv;
}

static int
docker_query(void *ctx, const struct json *question, struct json **answer,
    struct err *e)
{
	struct docker *d = ctx;
	const char *op = json_strd(question, "op", "");
	const char *name = json_str(question, "name");
	struct json *lines = NULL;
	char *id = NULL;
	int rv;

	if (name == NULL || (strcmp(op, "logs") != 0 &&
	    strcmp(op, "exec") != 0))
		return err_set(e, ERR_USER, "containers can be asked for logs "
		    "and exec, by name");
	if (find_named(d, name, &id, e) == -1)
		return -1;
	if (strcmp(op, "exec") == 0)
		rv = docker_exec(d, id, json_get(question, "command"), answer,
		    e);
	else {
		rv = docker_logs(d, id, (int)json_int(question, "tail", 0),
		    &lines, e);
		if (rv == 0) {
			*answer = json_object();
			json_set(*answer, "lines", lines);
		}
	}
	free(id);
	return rv;
}

/* --- opening -------------------------------------------------------------- */

static void
docker_close(void *ctx)
{
	struct docker *d = ctx;

	if (d == NULL)
		return;
	free(d->url);
	free(d->base);
	free(d->socket);
	free(d->ca_file);
	free(d->cert_file);
	free(d->key_file);
	free(d->instance);
	json_wipe(d->registries);
	map_free(d->wanted);
	map_free(d->orphans);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

static int
read_url(struct docker *d, const char *url, struct err *e)
{
	bool tls = d->ca_file != NULL || d->cert_file != NULL;

	if (str_starts(url, "unix:///")) {
		d->socket = xstrdup(url + strlen("unix://"));
		d->base = xstrdup("http://localhost");
	} else if (str_starts(url, "tcp://"))
		d->base = xasprintf("http%s://%s", tls ? "s" : "",
		    url + strlen("tcp://"));
	else if (str_starts(url, "https://") || str_starts(url, "http://"))
		d->base = xstrdup(url);
	else
		return err_set(e, ERR_BROKEN, "a container engine is at "
		    "unix:///path, tcp://host:port or https://host:port, not "
		    "at %s", url);
	if (str_ends(d->base, "/"))
		d->base[strlen(d->base) - 1] = '\0';
	return 0;
}

static int
docker_open(const struct provider_env *env, void **ctx, struct err *e)
{
	const struct provider_containers *c = &env->containers;
	struct docker *d;

	*ctx = NULL;
	if (!str_equal(c->provider, "docker"))
		return 0;
	d = xcalloc(1, sizeof(*d));
	pthread_mutex_init(&d->lock, NULL);
	d->url = xstrdup(c->url != NULL && *c->url != '\0' ? c->url :
	    "unix:///var/run/docker.sock");
	d->ca_file = xstrdup(c->ca_file);
	d->cert_file = xstrdup(c->cert_file);
	d->key_file = xstrdup(c->key_file);
	d->instance = xstrdup(env->instance);
	d->registries = json_copy(c->registries);
	d->wanted = map_new(NULL);
	d->orphans = map_new(free);
	if (read_url(d, d->url, e) == -1) {
		docker_close(d);
		return -1;
	}
	*ctx = d;
	return 0;
}

/* Its own way to us; see docker-container.c. */
static const struct object_secret container_secrets[] = {
	{ .name = "token", .bytes = 32, .is_token = true },
	{ .name = NULL }
};

/* One that ends by itself is started at once, and then ever more slowly. */
static const int restart_pauses_s[] = { 0, 2, 5, 15, 60, 120, 300, -1 };

/* The home is elsewhere: a container is only an agent that runs. */
static enum risk
container_removal(const struct json *desired)
{
	(void)desired;
	return RISK_RESTART;
}

/* Made or pulled again when it is wanted. */
static enum risk
shared_removal(const struct json *desired)
{
	(void)desired;
	return RISK_UPDATE;
}

static const struct object_kind kinds[] = {
	{ .name = "network", .label = "network", .diff = docker_network_diff,
	    .removal = shared_removal,
	    .ensure = docker_network_ensure,
	    .remove = docker_network_remove },
	{ .name = "image", .label = "image", .diff = docker_image_diff,
	    .removal = shared_removal,
	    .ensure = docker_image_ensure, .remove = docker_image_remove },
	{ .name = "volume", .label = "volume", .diff = docker_volume_diff,
	    .ensure = docker_volume_ensure, .remove = docker_volume_remove },
	{ .name = "container", .label = "container",
	    .secrets = container_secrets, .diff = docker_container_diff,
	    .awaits = docker_container_awaits,
	    .removal = container_removal,
	    .pauses_s = restart_pauses_s,
	    .absorb = docker_container_absorb,
	    .handle = docker_container_handle,
	    .ensure = docker_container_ensure,
	    .remove = docker_container_remove },
	{ .name = NULL }
};

const struct provider provider_docker = {
	.name = "docker",
	.concurrency = 4,
	.kinds = kinds,
	.open = docker_open,
	.close = docker_close,
	.observe = docker_observe,
	.watch = docker_watch,
	.query = docker_query,
};
