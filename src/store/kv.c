/* Single values: positions and marks of other modules, by key. */
#include "store-int.h"

char *
store_kv_get(struct store *s, const char *key)
{
	static const char	get[] = "SELECT value FROM kv WHERE key = ?1";

	return db_read_text(s, get, "s", key);
}

void
store_kv_set(struct store *s, const char *key, const char *value)
{
	static const char	set[] =
	    "INSERT INTO kv (key, value) VALUES (?1, ?2)"
	    " ON CONFLICT (key) DO UPDATE SET value = excluded.value";
	static const char	drop[] = "DELETE FROM kv WHERE key = ?1";

	if (value != NULL)
		db_write(s, set, "ss", key, value);
	else
		db_write(s, drop, "s", key);
}
