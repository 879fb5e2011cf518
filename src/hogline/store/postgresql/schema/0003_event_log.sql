-- oldest_reader: 1
--
-- The event log: what happened to each event at each connection. Names and ids are checksums: the journal has the texts.

-- How far the log is (store/event_log.py, `Unlogged.number`), what the journal still has, and the newest part.
CREATE TABLE event_progress (
    partition smallint PRIMARY KEY,
    taken     bigint NOT NULL DEFAULT 0,
    first     bigint NOT NULL DEFAULT 0,
    part      bigint NOT NULL DEFAULT 0
);

INSERT INTO event_progress VALUES (0);

CREATE TABLE event_outcomes (
    id     integer PRIMARY KEY,
    kind   text COLLATE "C" NOT NULL,
    reason text COLLATE "C" NOT NULL,
    UNIQUE (kind, reason)
);

-- What is the same for all connections, in blocks of 256 positions: checksums, 4 bytes for each position. Every change
-- writes a whole row, so a block is small. A search reads all blocks, so names and people are apart.
CREATE TABLE event_names (
    partition smallint NOT NULL DEFAULT 0,
    block     bigint NOT NULL,
    names     bytea NOT NULL,
    PRIMARY KEY (partition, block)
) WITH (fillfactor = 85);

CREATE TABLE event_people (
    partition smallint NOT NULL DEFAULT 0,
    block     bigint NOT NULL,
    people    bytea NOT NULL,
    PRIMARY KEY (partition, block)
) WITH (fillfactor = 85);

ALTER TABLE event_names ALTER names SET STORAGE PLAIN;
ALTER TABLE event_people ALTER people SET STORAGE PLAIN;

-- What happened to each event of a block at a connection: 2 bytes for the outcome (0: nothing yet), 8 for the newest
-- shipment. `seen` has a bit for each outcome in it, the last bit for all from 62 on.
CREATE TABLE event_results (
    partition  smallint NOT NULL DEFAULT 0,
    connection integer NOT NULL,
    block      bigint NOT NULL,
    seen       bigint NOT NULL,
    outcomes   bytea NOT NULL,
    shipments  bytea NOT NULL,
    PRIMARY KEY (partition, connection, block)
) WITH (fillfactor = 60);

-- A search reads through outcomes, so what it needs only in the end lies elsewhere.
ALTER TABLE event_results ALTER outcomes SET STORAGE PLAIN, ALTER shipments SET STORAGE EXTERNAL;

-- Earlier attempts: a retry, a replay, a held event that was set free.
CREATE TABLE event_earlier (
    partition  smallint NOT NULL DEFAULT 0,
    connection integer NOT NULL,
    position   bigint NOT NULL,
    shipment   bigint NOT NULL,
    outcome    integer NOT NULL,
    PRIMARY KEY (partition, connection, position, shipment)
);

-- Shipments are in tables `event_shipments_N` made after this one, which stays empty: when the journal has nothing of
-- such a part anymore, its table is dropped. A part has the shipments of a day, or of a part of it. The highest bits of
-- a shipment's id are its part.
CREATE TABLE event_shipments (
    id         bigint PRIMARY KEY,
    connection integer NOT NULL,
    began_ms   bigint NOT NULL,
    at_ms      bigint NOT NULL,
    last       bigint NOT NULL,           -- the highest position in it
    others     bytea NOT NULL,            -- by position, what was not delivered: MessagePack
    sent       bytea NOT NULL             -- the operations: MessagePack, compressed
);

ALTER TABLE event_shipments ALTER sent SET STORAGE EXTERNAL;

CREATE TABLE event_parts (
    part        bigint PRIMARY KEY,
    partition   smallint NOT NULL DEFAULT 0,
    day         integer NOT NULL,         -- since 1970
    next        bigint NOT NULL,          -- the next shipment's id
    last        bigint NOT NULL,          -- the highest position in it
    bytes       bigint NOT NULL,
    connections integer[] NOT NULL
);
