CREATE TABLE tokens (
    id    INTEGER PRIMARY KEY,
    token BLOB NOT NULL               -- encrypted
) STRICT;

CREATE TABLE connections (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT NOT NULL UNIQUE,
    destination TEXT NOT NULL,
    options     BLOB NOT NULL,        -- JSON, encrypted
    enabled     INTEGER NOT NULL,
    stopped     TEXT,
    start       INTEGER NOT NULL,
    created_ms  INTEGER NOT NULL,
    workspace   TEXT                  -- what the destination calls it; NULL: not known yet
) STRICT;

CREATE TABLE lanes (
    connection INTEGER NOT NULL,
    lane       INTEGER NOT NULL,
    position   INTEGER NOT NULL,
    PRIMARY KEY (connection, lane)
) STRICT, WITHOUT ROWID;

-- A person's columns are for finding them; `person` is the whole of it, as JSON.
CREATE TABLE people (
    connection  INTEGER NOT NULL,
    distinct_id TEXT NOT NULL,
    email       TEXT,
    person      TEXT NOT NULL,
    PRIMARY KEY (connection, distinct_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX people_by_email ON people (connection, email) WHERE email IS NOT NULL;

-- kind: delivered, filtered, adjusted, requests, retries, replayed. Dead letters are counted where they lie.
CREATE TABLE counters (
    connection INTEGER NOT NULL,
    kind       TEXT NOT NULL,
    reason     TEXT NOT NULL,
    n          INTEGER NOT NULL,
    PRIMARY KEY (connection, kind, reason)
) STRICT, WITHOUT ROWID;

CREATE TABLE dead_letters (
    connection INTEGER NOT NULL,
    position   INTEGER NOT NULL,
    uuid       TEXT NOT NULL,
    reason     TEXT NOT NULL,         -- of the first refusal: what the event is counted by
    at_ms      INTEGER NOT NULL,
    retrying   INTEGER NOT NULL DEFAULT 0,
    event      BLOB NOT NULL,         -- model.encode_event
    refusals   BLOB NOT NULL,         -- JSON
    PRIMARY KEY (connection, position)
) STRICT, WITHOUT ROWID;

CREATE INDEX dead_letters_by_reason ON dead_letters (connection, reason);

CREATE INDEX dead_letters_retrying ON dead_letters (connection, position) WHERE retrying;

CREATE TABLE replays (
    connection INTEGER PRIMARY KEY,
    settled    INTEGER NOT NULL,
    last       INTEGER NOT NULL,
    events     TEXT NOT NULL          -- JSON: names, none for all
) STRICT;
