-- Who was joined into whom is in `person`; the column is for finding them.
ALTER TABLE people ADD COLUMN joined_into TEXT;

CREATE INDEX people_by_join ON people (connection, joined_into) WHERE joined_into IS NOT NULL;

-- Since which position an id travels in which group's lane (delivery/routes.py).
CREATE TABLE routes (
    connection  INTEGER NOT NULL,
    distinct_id TEXT NOT NULL,
    since       INTEGER NOT NULL,
    "group"     TEXT,                 -- NULL: it is the name of its group
    depth       INTEGER NOT NULL,
    PRIMARY KEY (connection, distinct_id, since)
) STRICT, WITHOUT ROWID;

-- Whom an email identifies.
CREATE TABLE emails (
    connection  INTEGER NOT NULL,
    email       TEXT NOT NULL,        -- in small letters
    distinct_id TEXT NOT NULL,
    PRIMARY KEY (connection, email)
) STRICT, WITHOUT ROWID;

-- Events whose users do not qualify yet. Counted in `counters` (held, held_bytes).
CREATE TABLE held (
    connection  INTEGER NOT NULL,
    position    INTEGER NOT NULL,
    distinct_id TEXT NOT NULL,        -- the person's
    received_ms INTEGER NOT NULL,
    event       BLOB NOT NULL,        -- model.encode_event
    PRIMARY KEY (connection, position)
) STRICT, WITHOUT ROWID;

CREATE INDEX held_by_person ON held (connection, distinct_id, position);

-- When something is to be done for a person.
CREATE TABLE due (
    connection  INTEGER NOT NULL,
    distinct_id TEXT NOT NULL,
    at_ms       INTEGER NOT NULL,
    PRIMARY KEY (connection, distinct_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX due_by_time ON due (connection, at_ms);

-- Whoever is never to come back: a keyed hash of their ids and emails.
CREATE TABLE suppressed (
    connection INTEGER NOT NULL,
    hash       BLOB NOT NULL,
    PRIMARY KEY (connection, hash)
) STRICT, WITHOUT ROWID;

-- Whose events are still to be removed from the journal.
CREATE TABLE forgetting (
    distinct_ids BLOB NOT NULL        -- JSON, encrypted
) STRICT;
