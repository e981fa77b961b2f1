/*
 * Secrets: only sealed bytes are in the file, under the name that is sealed
 * with them.
 */
#include "store-int.h"

#include <stdlib.h>

#include "hiclaw/log.h"
#include "hiclaw/secure.h"

void
store_secret_put(struct store *s, const char *name, const char *secret)
{
	static const char	put[] =
	    "INSERT INTO secret (name, sealed) VALUES (?1, ?2)"
	    " ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed";
	size_t			len;
	void			*sealed = seal(db_key(s), name, secret, &len);

	db_write(s, put, "sb", name, sealed, len);
	free(sealed);
}

int
secret_read(struct store *s, const char *name, char **out, struct err *e)
{
	static const char	get[] =
	    "SELECT sealed FROM secret WHERE name = ?1";
	struct query		*q = db_read(s, get, "s", name);
	const void		*sealed;
	size_t			len;
	int			rc = 0;

	*out = NULL;
	if (db_next(q)) {
		sealed = db_blob(q, 0, &len);
		*out = unseal(db_key(s), name, sealed, len, e);
		rc = *out != NULL ? 1 : -1;
	}
	db_end(q);
	return rc;
}

char *
store_secret_get(struct store *s, const char *name)
{
	struct err	 err;
	char		*out;

	/* The key is right, we checked it: these bytes were changed. */
	if (secret_read(s, name, &out, &err) == -1) {
		log_error("store", "secret %s: %s", name, err.msg);
		db_die(s, "a sealed secret was changed");
	}
	return out;
}

void
store_secret_remove(struct store *s, const char *name)
{
	static const char	drop[] = "DELETE FROM secret WHERE name = ?1";

	db_write(s, drop, "s", name);
}

void
store_secrets_remove(struct store *s, const char *prefix)
{
	/* A range, for the index; U+10FFFF comes after every name. */
	static const char	drop[] =
	    "DELETE FROM secret"
	    " WHERE name >= ?1 AND name < ?1 || char(1114111)";

	db_write(s, drop, "s", prefix);
}
