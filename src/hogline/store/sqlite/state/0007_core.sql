-- What PostHog says of people (core/known.py), one for the project.
CREATE TABLE known (
    id    TEXT PRIMARY KEY,
    email TEXT,                       -- in small letters, for finding them
    known BLOB NOT NULL               -- store/packing.py
) STRICT, WITHOUT ROWID;

CREATE INDEX known_by_id_and_email ON known (id, email);

-- Joined ids: a union by depth.
CREATE TABLE ids (
    id     TEXT PRIMARY KEY,
    parent TEXT,
    since  INTEGER NOT NULL,          -- from this position of the journal on
    depth  INTEGER NOT NULL,
    people BLOB NOT NULL              -- of a root: whose the group is, since when; MessagePack
) STRICT, WITHOUT ROWID;

CREATE INDEX ids_by_parent ON ids (parent) WHERE parent IS NOT NULL;

-- How far the journal is part of both. One row.
CREATE TABLE folded (
    position INTEGER NOT NULL
) STRICT;

INSERT INTO folded VALUES (0);

-- What a connection made true of a person (core/told.py).
CREATE TABLE told (
    connection INTEGER NOT NULL,
    person     TEXT NOT NULL,
    body       BLOB NOT NULL,         -- store/packing.py
    due_ms     INTEGER NOT NULL,      -- 0: nothing is due
    PRIMARY KEY (connection, person)
) STRICT, WITHOUT ROWID;

CREATE INDEX told_due ON told (connection, due_ms) WHERE due_ms > 0;

-- Whose an email is (core/ledger.py).
CREATE TABLE ledger (
    connection INTEGER NOT NULL,
    email      TEXT NOT NULL,         -- in small letters
    person     TEXT NOT NULL,
    state      INTEGER NOT NULL,
    kind       INTEGER NOT NULL,      -- of the customer whose it is
    value      TEXT NOT NULL,
    others     INTEGER NOT NULL,
    PRIMARY KEY (connection, email)
) STRICT, WITHOUT ROWID;

-- What was asked for: `again`, to send a person again; `release`, that their held events may go.
CREATE TABLE again (
    connection INTEGER NOT NULL,
    kind       TEXT NOT NULL,
    person     TEXT NOT NULL,
    PRIMARY KEY (connection, kind, person)
) STRICT, WITHOUT ROWID;

-- Events that an older Hogline settled in another order than the lanes' of today: positions up to `last`.
CREATE TABLE settled_before (
    connection INTEGER PRIMARY KEY,
    last       INTEGER NOT NULL,
    positions  BLOB NOT NULL          -- MessagePack
) STRICT;

-- Of ids that are no customer's: on which day an event of theirs was received last, in days since 1970. Whoever has
-- none is looked at as if it had been on the day on which that is noticed.
CREATE TABLE seen (
    id  TEXT PRIMARY KEY,
    day INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
