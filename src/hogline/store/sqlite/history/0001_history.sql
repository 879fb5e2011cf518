-- The time comes first: reading asks for a stretch of it, and what is too old goes from the front.
CREATE TABLE minutes (
    at         INTEGER NOT NULL,      -- when it begins, seconds since 1970
    connection INTEGER NOT NULL,
    kind       TEXT NOT NULL,         -- store.history.Kind
    reason     TEXT NOT NULL,
    n          INTEGER NOT NULL,
    PRIMARY KEY (at, connection, kind, reason)
) STRICT, WITHOUT ROWID;

CREATE TABLE hours (
    at         INTEGER NOT NULL,
    connection INTEGER NOT NULL,
    kind       TEXT NOT NULL,
    reason     TEXT NOT NULL,
    n          INTEGER NOT NULL,
    PRIMARY KEY (at, connection, kind, reason)
) STRICT, WITHOUT ROWID;
