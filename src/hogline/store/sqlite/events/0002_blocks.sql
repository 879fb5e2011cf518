-- Events in blocks of 4,096 positions: a search reads through arrays, and writing costs next to nothing.
DROP TABLE events;
DROP TABLE shipments;
DROP TABLE outcomes;

-- One row: how far the log is (store/event_log.py, `Unlogged.number`), and what the journal still has.
CREATE TABLE progress (
    taken INTEGER NOT NULL,
    first INTEGER NOT NULL
) STRICT;

INSERT INTO progress VALUES (0, 0);

CREATE TABLE outcomes (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, reason TEXT NOT NULL, UNIQUE (kind, reason)) STRICT;

CREATE TABLE shipments (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    connection INTEGER NOT NULL,
    began_ms   INTEGER NOT NULL,
    at_ms      INTEGER NOT NULL,
    -- The highest position in it: the shipment goes when the journal has nothing of it anymore.
    last       INTEGER NOT NULL,
    -- By position, what was not delivered: MessagePack. The operations: MessagePack, compressed.
    others     BLOB NOT NULL,
    sent       BLOB NOT NULL
) STRICT;

-- What is the same for all connections: checksums, 4 bytes for each position.
CREATE TABLE events (
    block  INTEGER PRIMARY KEY,
    names  BLOB NOT NULL,
    people BLOB NOT NULL
) STRICT;

-- What became of each event at a connection: 2 bytes for the outcome (0: nothing yet), 4 for the newest shipment.
-- The key is connection * 2^40 + block. `seen` has a bit for each outcome in it, the last bit for all from 62 on.
CREATE TABLE results (
    id        INTEGER PRIMARY KEY,
    seen      INTEGER NOT NULL,
    outcomes  BLOB NOT NULL,
    shipments BLOB NOT NULL
) STRICT;

-- Earlier attempts: a retry, a replay, a held event that was set free.
CREATE TABLE earlier (
    connection INTEGER NOT NULL,
    position   INTEGER NOT NULL,
    shipment   INTEGER NOT NULL,
    outcome    INTEGER NOT NULL,
    PRIMARY KEY (connection, position, shipment)
) STRICT, WITHOUT ROWID;
