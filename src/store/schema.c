/*
 * The tables, as numbered steps: forward only, one transaction each, never
 * edited once released.  PRAGMA user_version says how many were taken.
 *
 * Ids that leave this database (message and transaction ids, revisions,
 * proposals) are AUTOINCREMENT: a number that was used is never given again,
 * even after its row was trimmed.
 */
#include "store-int.h"

const char *const schema_steps[] = {
	/* 1: the main road */
	"CREATE TABLE kv ("
	"  key TEXT PRIMARY KEY,"
	"  value TEXT NOT NULL"
	") STRICT, WITHOUT ROWID;"

	"CREATE TABLE resource ("
	"  kind TEXT NOT NULL,"
	"  name TEXT NOT NULL,"
	"  metadata TEXT NOT NULL,"
	"  spec TEXT NOT NULL,"
	"  generation INTEGER NOT NULL,"
	"  revision INTEGER NOT NULL,"
	"  created_ms INTEGER NOT NULL,"
	"  updated_ms INTEGER NOT NULL,"
	"  deleting INTEGER NOT NULL,"
	"  PRIMARY KEY (kind, name)"
	") STRICT;"
	"CREATE TABLE revision ("
	"  revision INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  kind TEXT NOT NULL,"
	"  name TEXT NOT NULL,"
	"  metadata TEXT NOT NULL,"
	"  spec TEXT,"				/* NULL: deleted */
	"  generation INTEGER NOT NULL,"
	"  actor TEXT NOT NULL,"
	"  at_ms INTEGER NOT NULL"
	") STRICT;"
	"CREATE INDEX revision_of ON revision (kind, name, revision);"

	"CREATE TABLE object ("
	"  key TEXT NOT NULL UNIQUE,"
	"  owner TEXT NOT NULL,"
	"  desired TEXT,"
	"  observed TEXT,"
	"  deps TEXT NOT NULL"
	") STRICT;"

	"CREATE TABLE secret ("
	"  name TEXT PRIMARY KEY,"
	"  sealed BLOB NOT NULL"
	") STRICT, WITHOUT ROWID;"

	"CREATE TABLE txn ("
	"  seq INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  txn_id TEXT NOT NULL,"
	"  sha256 TEXT NOT NULL,"
	"  UNIQUE (txn_id, sha256)"
	") STRICT;"
	"CREATE TABLE inbox ("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  event_id TEXT NOT NULL UNIQUE,"
	"  room_id TEXT,"			/* both NULL: processed */
	"  json TEXT"
	") STRICT;"
	"CREATE INDEX inbox_waiting ON inbox (id) WHERE json IS NOT NULL;"

	"CREATE TABLE outbox ("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  room TEXT NOT NULL,"
	"  op INTEGER NOT NULL,"
	"  content TEXT,"
	"  target INTEGER NOT NULL,"
	"  target_event TEXT,"
	"  thread INTEGER NOT NULL,"
	"  file_name TEXT,"
	"  file_type TEXT,"
	"  file BLOB,"
	"  not_before_ms INTEGER NOT NULL,"
	"  state INTEGER NOT NULL,"		/* below 2: unfinished */
	"  event_id TEXT,"
	"  tries INTEGER NOT NULL,"
	"  why TEXT,"				/* it failed */
	"  changed_ms INTEGER NOT NULL"
	") STRICT;"
	"CREATE INDEX outbox_open ON outbox (room, id) WHERE state < 2;"
	"CREATE INDEX outbox_wait ON outbox (not_before_ms)"
	"  WHERE state < 2 AND not_before_ms > 0;"
	"CREATE INDEX outbox_event ON outbox (event_id)"
	"  WHERE event_id IS NOT NULL;"
	"CREATE INDEX outbox_target ON outbox (target, id)"
	"  WHERE target <> 0;"

	"CREATE TABLE run ("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  actor TEXT NOT NULL,"
	"  room TEXT NOT NULL,"
	"  command_event TEXT,"
	"  title TEXT NOT NULL,"
	"  plan_hash TEXT NOT NULL,"
	"  resources TEXT NOT NULL,"
	"  objects TEXT NOT NULL,"
	"  live_message INTEGER NOT NULL,"
	"  state TEXT NOT NULL,"
	"  started_ms INTEGER NOT NULL,"
	"  ended_ms INTEGER NOT NULL"
	") STRICT;"
	"CREATE INDEX run_going ON run (id) WHERE state = 'running';"
	"CREATE TABLE question ("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  room TEXT NOT NULL,"
	"  sender TEXT NOT NULL,"
	"  command_event TEXT,"
	"  action TEXT NOT NULL,"
	"  plan_hash TEXT NOT NULL,"
	"  message INTEGER NOT NULL,"
	"  asked_ms INTEGER NOT NULL,"
	"  expires_ms INTEGER NOT NULL,"
	"  closed TEXT"				/* how; NULL: open */
	") STRICT;"
	"CREATE INDEX question_open ON question (room, sender, id)"
	"  WHERE closed IS NULL;"
	"CREATE TABLE receipt ("
	"  seq INTEGER PRIMARY KEY,"
	"  prev TEXT NOT NULL,"
	"  hash TEXT NOT NULL UNIQUE,"
	"  content TEXT NOT NULL,"
	"  outbox INTEGER NOT NULL"
	") STRICT;"
	"CREATE INDEX receipt_outbox ON receipt (outbox);"

	"CREATE TABLE log ("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  at_ms INTEGER NOT NULL,"
	"  subject TEXT NOT NULL,"
	"  kind TEXT NOT NULL,"
	"  text TEXT NOT NULL"
	") STRICT;"
	"CREATE INDEX log_subject ON log (subject, id);",

	/* 2: tokens of our own API */
	"CREATE TABLE token ("
	"  sha256 TEXT PRIMARY KEY,"
	"  subject TEXT NOT NULL,"
	"  made_ms INTEGER NOT NULL,"
	"  expires_ms INTEGER NOT NULL"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX token_of ON token (subject);",

	/* 3: proposals, with questions among them, whose numbers go on */
	"CREATE TABLE proposal ("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  room TEXT NOT NULL,"
	"  sender TEXT NOT NULL,"
	"  command_event TEXT,"
	"  action TEXT NOT NULL,"
	"  rule TEXT NOT NULL,"
	"  plan_hash TEXT NOT NULL,"
	"  message INTEGER NOT NULL,"
	"  admin_message INTEGER NOT NULL,"	/* 0: it is the same */
	"  asked_ms INTEGER NOT NULL,"
	"  expires_ms INTEGER NOT NULL,"
	"  waits INTEGER NOT NULL,"	/* approved, in a freeze window */
	"  closed TEXT,"			/* how; NULL: open */
	"  closed_ms INTEGER NOT NULL,"
	"  run INTEGER NOT NULL"
	") STRICT;"
	"CREATE INDEX proposal_open ON proposal (id) WHERE closed IS NULL;"
	"CREATE INDEX proposal_message ON proposal (message);"
	"CREATE INDEX proposal_admin ON proposal (admin_message);"
	/* One row for each person: the ledger. */
	"CREATE TABLE decision ("
	"  proposal INTEGER NOT NULL,"
	"  user TEXT NOT NULL,"
	"  verdict TEXT NOT NULL,"
	"  way TEXT NOT NULL,"			/* tap, word, command */
	"  event TEXT NOT NULL,"
	"  plan_hash TEXT NOT NULL,"
	"  reason TEXT,"
	"  override INTEGER NOT NULL,"
	"  at_ms INTEGER NOT NULL,"
	"  PRIMARY KEY (proposal, user)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX decision_event ON decision (event);"
	"INSERT INTO sqlite_sequence (name, seq)"
	"  SELECT 'proposal', seq FROM sqlite_sequence"
	"  WHERE name = 'question';"
	/* Who was asked is told that it fell: see chat_started. */
	"INSERT INTO kv (key, value)"
	"  SELECT 'chat.questions.fell', count(*) FROM question"
	"  WHERE closed IS NULL HAVING count(*) > 0;"
	"DELETE FROM kv WHERE key GLOB 'chat.question.*';"
	"DROP TABLE question;",

	/* 4: what came of a message, for its edits */
	"ALTER TABLE inbox ADD COLUMN note TEXT;",
};
const int schema_version = NELEM(schema_steps);
