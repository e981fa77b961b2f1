/*
 * Shared by the files of the provider `docker`: containers by the Engine API of
 * Docker and of Podman.
 *
 * What the two answer differs in codes and texts (a name that is taken is 409
 * here and 500 there), so nothing is created before somebody has looked, and
 * nothing is compared with what an engine shows of a container: only with the
 * hash in our own label.  Everything with our instance label is ours, and
 * nothing else is ever touched.
 */
#ifndef DOCKER_INT_H
#define DOCKER_INT_H

#include <pthread.h>

#include "hiclaw/http.h"
#include "hiclaw/provider.h"

#define LABEL_INSTANCE	"hiclaw.io/instance"
#define LABEL_NAME	"hiclaw.io/name"
#define LABEL_HASH	"hiclaw.io/spec-hash"

/* What we know of the engine behind the socket; forgotten with each failure, as
 * another one may answer next. */
struct docker_engine {
	bool		 is_known;	/* of what /_ping says */
	char		 version[16];	/* of the API: "1.41" */
	bool		 is_podman;
	bool		 has_info;	/* what comes now is known as well */
	bool		 is_rootless;
	int		 cpus;		/* 0: not said */
	bool		 no_init;	/* it has no init to offer */
};

struct docker {
	char		*url;		/* as set, for messages */
	char		*base;		/* "http://localhost" */
	char		*socket;	/* path, or NULL */
	char		*ca_file, *cert_file, *key_file;
	char		*instance;
	struct json	*registries;
	pthread_mutex_t	 lock;		/* of what follows */
	struct docker_engine engine;
	struct map	*wanted;	/* names asked for since we began */
	struct map	*orphans;	/* id -> first seen, see docker-look.c */
	bool		 is_told;	/* the event stream is open */
	int64_t		 looked_ms;	/* monotonic: at all, since it is; 0: not */
};

/* --- calls (docker-call.c) ------------------------------------------------ */

struct docker_req {
	const char	*method;
	char		*path;		/* "/containers/json?all=1"; taken over */
	const struct json *json;	/* body, or */
	const struct buf *tar;		/* body; or none */
	const char	*header;	/* one more, or NULL */
	int		 timeout_ms;
	/* A stream, see http.h. */
	int		 (*chunk)(void *arg, const char *data, size_t n);
	bool		 (*is_over)(void *arg);
	void		*arg;
};
struct docker_res {
	int		 status;
	struct json	*json;		/* of a JSON answer, or NULL */
	struct buf	 body;		/* of any other */
	char		 text[400];	/* of an error: its message, cleaned */
};
/*
 * 0 once there is an answer, whatever its status.  -1: ERR_RETRY, and the
 * message names the socket and what to do.
 */
int	 docker_call(struct docker *, struct docker_req *,
	    struct docker_res *, struct err *) MUST_CHECK;
void	 docker_res_release(struct docker_res *);
bool	 docker_ok(const struct docker_res *);	/* 2xx, or 304 */
/* Always -1: "what: text", of a kind that fits the status. */
int	 docker_fail(const struct docker_res *, struct err *, const char *what);
/* What is behind the socket; asks when not known.  with_info costs a quarter of
 * a second on Podman. */
int	 docker_engine(struct docker *, bool with_info, struct docker_engine *,
	    struct err *) MUST_CHECK;
void	 docker_engine_no_init(struct docker *);
/* GET; *json NULL: 404. */
int	 docker_get(struct docker *, char *path, int timeout_ms,
	    struct json **json, bool *answered, struct err *) MUST_CHECK;
/* A query "filters" with one label, escaped; yours. */
char	*docker_label_filter(const char *instance);

/* --- pure: forms (docker-form.c) ------------------------------------------ */

#define DOCKER_HASH	17
/* Of the desired form without what needs no new container.  false: something in
 * it is not known yet. */
bool	 docker_hash(const struct json *desired, char dst[DOCKER_HASH]);
/* {"image": "1a2b3c4d", ...}: of each member that the hash is of. */
struct json *docker_parts(const struct json *desired);
/* The body of /containers/create; secrets fills in SECRETs of env. */
struct json *docker_create_body(const struct json *desired,
	    const struct json *secrets, const struct docker_engine *,
	    struct err *);
int	 docker_check(const struct json *desired, const struct docker_engine *,
	    struct err *) MUST_CHECK;
void	 docker_container_diff(const struct json *desired,
	    const struct json *observed, struct changes *);
bool	 docker_container_awaits(const struct json *desired,
	    const struct json *observed, char *why, size_t whysize);
bool	 docker_container_absorb(struct json *observed,
	    const struct json *event);
const char *docker_container_handle(const struct json *observed);
/* "running", "stopped", "created", "paused", "stopping", ... */
const char *docker_state(const char *theirs);
bool	 docker_is_passing(const char *state);	/* about to be another */
/* What an inspect says, as an event: {"type", "state", "started", "started_ms",
 * "ended_ms", "died"?, "ports", "ip"?}. */
struct json *docker_seen(const struct json *inspect);
/* "2026-11-26T02:17:14.676+01:00" as ms since 1970; 0: never, or no time. */
int64_t	 docker_time(const char *);
/* "exit code 3", "out of memory", ...; dst of at least 64 bytes. */
const char *docker_death(const struct json *died, char *dst, size_t size);

/* --- pure: what comes in streams (docker-stream.c) ------------------------ */

/* Lines out of pieces; one that is too long is dropped. */
struct docker_lines {
	struct buf	 line;		/* what has come of it */
	bool		 skip;		/* the rest of one that is too long */
};
/* Calls line() for each that is complete; -1 as soon as that gives -1. */
int	 docker_lines(struct docker_lines *, const char *, size_t,
	    int (*line)(void *arg, const char *line, size_t), void *arg);
void	 docker_lines_release(struct docker_lines *);

/*
 * The two streams of a container without a terminal come in frames: 8 bytes
 * (stream, 3 zeros, length) and then the bytes, cut anywhere.
 */
struct docker_frames {
	unsigned char	 head[8];
	size_t		 have;		/* bytes of the head */
	size_t		 left;		/* of this frame */
	int		 stream;	/* 1: stdout, 2: stderr */
};
/* -1 as soon as out() gives -1, or when these are no frames. */
int	 docker_frames(struct docker_frames *, const char *, size_t,
	    int (*out)(void *arg, int stream, const char *, size_t),
	    void *arg);

/* What may be shown of one's output: no control characters but tabs, valid
 * UTF-8, at most max bytes.  Yours. */
char	*docker_clean(const char *, size_t, size_t max);

/* One line of /events: true if it says that something happened to a container;
 * id is borrowed from *event, which is the caller's. */
bool	 docker_event(const char *line, size_t, struct json **event,
	    const char **id, const char **action, int64_t *nanos);

/* A pull, line by line. */
struct docker_pull {
	struct map	*layers;	/* id -> struct, see docker-stream.c */
	char		 error[400];	/* "" while there is none */
	char		 said[32];	/* "45 %", or "" */
};
void	 docker_pull_init(struct docker_pull *);
void	 docker_pull_line(struct docker_pull *, const char *, size_t);
void	 docker_pull_release(struct docker_pull *);
/* The kind of failure that such a text tells. */
enum err_kind docker_pull_kind(const char *text);

/* "ghcr.io/x/y:1" -> host "ghcr.io", name "ghcr.io/x/y", tag "1" or the digest;
 * each yours. */
void	 docker_ref_split(const char *ref, char **host, char **name,
	    char **tag);
/* Is this one of the names an engine has for an image that people call ref? */
bool	 docker_ref_is(const char *ref, const char *theirs);
/* A tar of one file, for an upload. */
void	 docker_tar(struct buf *, const char *name, const char *text,
	    unsigned mode, unsigned uid, unsigned gid);
/* Who "name" or "name:group" is, by the /etc/passwd in this tar. */
bool	 docker_user_in(const char *tar, size_t, const char *user,
	    unsigned *uid, unsigned *gid);

/* --- kinds ---------------------------------------------------------------- */

/* docker-net.c: networks and volumes */
void	 docker_network_diff(const struct json *, const struct json *,
	    struct changes *);
int	 docker_network_ensure(void *, const struct work *, struct outcome *,
	    struct err *);
int	 docker_network_remove(void *, const struct work *, struct outcome *,
	    struct err *);
struct json *docker_network_form(const char *name, const struct json *inspect);
void	 docker_volume_diff(const struct json *, const struct json *,
	    struct changes *);
int	 docker_volume_ensure(void *, const struct work *, struct outcome *,
	    struct err *);
int	 docker_volume_remove(void *, const struct work *, struct outcome *,
	    struct err *);
/* docker-image.c */
void	 docker_image_diff(const struct json *, const struct json *,
	    struct changes *);
int	 docker_image_ensure(void *, const struct work *, struct outcome *,
	    struct err *);
int	 docker_image_remove(void *, const struct work *, struct outcome *,
	    struct err *);
/* "sha256:..." whatever the engine writes; yours. */
char	*docker_image_id(const char *theirs);
/* docker-container.c */
int	 docker_container_ensure(void *, const struct work *, struct outcome *,
	    struct err *);
int	 docker_container_remove(void *, const struct work *, struct outcome *,
	    struct err *);
/* Inspect by name or id; *json NULL: not there. */
int	 docker_inspect(struct docker *, const char *id, struct json **json,
	    bool *answered, struct err *) MUST_CHECK;
bool	 docker_is_ours(const struct json *inspect, const char *instance);
/* Gracefully, within stop_s. */
int	 docker_end(struct docker *, const char *id, int stop_s,
	    struct err *) MUST_CHECK;
int	 docker_delete(struct docker *, const char *id, int stop_s,
	    struct err *) MUST_CHECK;
/* docker-logs.c: {"stdout"/"stderr", text} of the last lines, cleaned. */
int	 docker_logs(struct docker *, const char *id, int tail,
	    struct json **lines, struct err *) MUST_CHECK;
int	 docker_exec(struct docker *, const char *id, const struct json *argv,
	    struct json **answer, struct err *) MUST_CHECK;
/* docker-look.c, docker-watch.c */
int	 docker_observe(void *, const struct observe_item *, size_t,
	    void (*)(void *, const char *, struct json *), void *,
	    struct err *);
int	 docker_watch(void *, const struct watch *, struct err *);

#endif
