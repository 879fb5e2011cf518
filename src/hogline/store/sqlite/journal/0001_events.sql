-- AUTOINCREMENT: a position is never given twice, even after everything before it was trimmed.
CREATE TABLE events (
    position    INTEGER PRIMARY KEY AUTOINCREMENT,
    received_ms INTEGER NOT NULL,
    body        BLOB NOT NULL         -- model.encode_event
) STRICT;

CREATE TABLE refused (
    reason TEXT PRIMARY KEY,
    events INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
