-- Whoever is never to come back: a keyed hash of each of their ids and emails, for the whole project. `together`: those
-- of one person have the same number.
CREATE TABLE suppressed_ids (
    hash     BLOB PRIMARY KEY,
    together INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO suppressed_ids SELECT hash, row_number() OVER () FROM (SELECT DISTINCT hash FROM suppressed);

DROP TABLE suppressed;

ALTER TABLE suppressed_ids RENAME TO suppressed;

CREATE INDEX suppressed_together ON suppressed (together);

-- Files in which something was deleted, whose unused parts are still to be overwritten.
CREATE TABLE cleaning (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    file TEXT NOT NULL                -- state, journal
) STRICT;
