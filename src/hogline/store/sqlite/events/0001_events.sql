-- What happened to each event at each connection. Names and ids are checksums: the journal has the texts.
CREATE TABLE outcomes (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, reason TEXT NOT NULL, UNIQUE (kind, reason)) STRICT;

CREATE TABLE shipments (
    id INTEGER PRIMARY KEY,
    connection INTEGER NOT NULL,
    began_ms INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    -- The highest position in it: the shipment goes when the journal has nothing of it any more.
    last INTEGER NOT NULL,
    sent BLOB NOT NULL
) STRICT;

-- `outcome` is negative once a newer one came: a retry, a replay, or a held event that was set free.
CREATE TABLE events (
    connection INTEGER NOT NULL,
    position INTEGER NOT NULL,
    shipment INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    name INTEGER NOT NULL,
    who INTEGER NOT NULL,
    outcome INTEGER NOT NULL,
    PRIMARY KEY (connection, position, shipment)
) STRICT, WITHOUT ROWID;

-- An id's events are spread over all positions. Blocks of 65,536 keep what is written in a few pages.
CREATE INDEX events_by_person ON events (connection, position >> 16, who, position);
CREATE INDEX events_by_name ON events (connection, outcome, name, position);
