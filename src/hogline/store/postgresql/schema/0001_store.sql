-- oldest_reader: 1
--
-- Everything is keyed by partition from the start, although one process has only partition 0: positions, lanes and
-- counters of several partitions can stand beside each other without a rewrite.

-- One row: whose the store is. `backend` and `began` are the session that holds it.
CREATE TABLE store (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    partitions smallint NOT NULL DEFAULT 1,
    key_check  bytea,                     -- a keyed hash, to notice another key for secrets
    epoch      bigint NOT NULL DEFAULT 0, -- rises with every owner
    owner      uuid,
    host       text,
    lease      timestamptz,
    backend    integer,
    began      timestamptz
);

INSERT INTO store DEFAULT VALUES;

-- Who may write, one row for the journal and one for the state. `number` rises with every transaction, so a writer
-- finds out whether a commit without an answer was done.
CREATE TABLE writer (
    name   text PRIMARY KEY,
    epoch  bigint NOT NULL DEFAULT 0,
    owner  uuid,
    number bigint NOT NULL DEFAULT 0
);

INSERT INTO writer (name) VALUES ('journal'), ('state');

-- The first statement of every transaction that writes. A process that lost the store gets no further.
CREATE FUNCTION fence(which text, mine uuid, since bigint, last bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE writer SET number = number + 1 WHERE name = which AND owner = mine AND epoch = since AND number = last;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'another process owns this store' USING ERRCODE = 'HL001';
    END IF;
END
$$;

-- The journal

CREATE TABLE journal (
    partition   smallint NOT NULL DEFAULT 0,
    position    bigint NOT NULL,
    received_ms bigint NOT NULL,
    body        bytea NOT NULL,           -- posthog/entry.py
    PRIMARY KEY (partition, position)
);

-- How far each partition is. Appending moves `last` in the same statement, so positions have no gaps and are in the
-- order of commits. `bytes` is what its events take.
CREATE TABLE journal_end (
    partition   smallint PRIMARY KEY,
    first       bigint NOT NULL DEFAULT 1,
    last        bigint NOT NULL DEFAULT 0,
    received_ms bigint NOT NULL DEFAULT 0,
    bytes       bigint NOT NULL DEFAULT 0
);

INSERT INTO journal_end (partition) VALUES (0);

CREATE TABLE refused (
    reason text COLLATE "C" PRIMARY KEY,
    events bigint NOT NULL
);

-- Runs of older events: how many rows were taken, and where they stand.
CREATE TABLE backfills (
    run   bigint PRIMARY KEY,
    taken bigint NOT NULL
);

CREATE TABLE backfilled (
    partition  smallint NOT NULL DEFAULT 0,
    first      bigint NOT NULL,
    last       bigint NOT NULL,
    run        bigint NOT NULL,
    connection integer NOT NULL,          -- 0: all
    PRIMARY KEY (partition, first)
);

-- What PostHog says of people, one for the project

CREATE TABLE known (
    id           text COLLATE "C" PRIMARY KEY,
    email        text COLLATE "C",        -- in lowercase
    folded       text COLLATE "C",        -- `id` in comparable case, where that is different
    folded_email text COLLATE "C",
    known        bytea NOT NULL           -- store/packing.py
);

CREATE INDEX known_by_email ON known (email) WHERE email IS NOT NULL;

CREATE TABLE ids (
    id     text COLLATE "C" PRIMARY KEY,
    folded text COLLATE "C",
    parent text COLLATE "C",
    since  bigint NOT NULL,
    depth  integer NOT NULL,
    people bytea NOT NULL
);

CREATE INDEX ids_by_parent ON ids (parent, id) WHERE parent IS NOT NULL;

CREATE TABLE folded (
    partition smallint PRIMARY KEY,
    position  bigint NOT NULL
);

INSERT INTO folded VALUES (0, 0);

CREATE TABLE seen (
    id  text COLLATE "C" PRIMARY KEY,
    day integer NOT NULL
);

CREATE TABLE suppressed (
    hash     bytea PRIMARY KEY,
    together bigint NOT NULL
);

CREATE INDEX suppressed_together ON suppressed (together);

CREATE TABLE forgetting (
    distinct_ids bytea NOT NULL           -- JSON, encrypted
);

CREATE TABLE cleaning (
    id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    file text NOT NULL
);

CREATE TABLE tokens (
    id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token bytea NOT NULL,                 -- encrypted
    kind  text NOT NULL
);

-- Connections, and what each made true

CREATE TABLE connections (
    id          integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text COLLATE "C" NOT NULL UNIQUE,
    destination text NOT NULL,
    options     bytea NOT NULL,           -- JSON, encrypted
    paused      boolean NOT NULL,
    stopped     text,
    start       bigint NOT NULL,
    created_ms  bigint NOT NULL,
    since_ms    bigint NOT NULL,
    workspace   text
);

CREATE TABLE lanes (
    connection integer NOT NULL,
    partition  smallint NOT NULL DEFAULT 0,
    lane       smallint NOT NULL,
    position   bigint NOT NULL,
    PRIMARY KEY (connection, partition, lane)
);

CREATE TABLE counters (
    connection integer NOT NULL,
    partition  smallint NOT NULL DEFAULT 0,
    kind       text COLLATE "C" NOT NULL,
    reason     text COLLATE "C" NOT NULL,
    n          bigint NOT NULL,
    PRIMARY KEY (connection, partition, kind, reason)
);

CREATE TABLE told (
    connection integer NOT NULL,
    person     text COLLATE "C" NOT NULL,
    partition  smallint NOT NULL DEFAULT 0,
    folded     text COLLATE "C",
    body       bytea NOT NULL,            -- store/packing.py
    due_ms     bigint NOT NULL,           -- 0: nothing is due
    PRIMARY KEY (connection, person)
);

CREATE INDEX told_due ON told (connection, partition, due_ms) WHERE due_ms > 0;

CREATE TABLE ledger (
    connection integer NOT NULL,
    email      text COLLATE "C" NOT NULL, -- in lowercase
    person     text COLLATE "C" NOT NULL,
    state      smallint NOT NULL,
    kind       smallint NOT NULL,
    value      text COLLATE "C" NOT NULL,
    others     bigint NOT NULL,
    PRIMARY KEY (connection, email)
);

CREATE INDEX ledger_by_person ON ledger (connection, person);

CREATE TABLE again (
    connection integer NOT NULL,
    partition  smallint NOT NULL DEFAULT 0,
    kind       text COLLATE "C" NOT NULL,
    person     text COLLATE "C" NOT NULL,
    PRIMARY KEY (connection, partition, kind, person)
);

CREATE TABLE resending (
    connection integer PRIMARY KEY,
    people     bigint NOT NULL,
    asked      bigint NOT NULL,
    after      text COLLATE "C" NOT NULL
);

CREATE TABLE held (
    connection  integer NOT NULL,
    partition   smallint NOT NULL DEFAULT 0,
    position    bigint NOT NULL,
    distinct_id text COLLATE "C" NOT NULL,
    received_ms bigint NOT NULL,
    event       bytea NOT NULL,
    PRIMARY KEY (connection, partition, position)
);

CREATE INDEX held_by_person ON held (connection, distinct_id, position);

CREATE TABLE failures (
    connection integer NOT NULL,
    partition  smallint NOT NULL DEFAULT 0,
    position   bigint NOT NULL,
    uuid       text NOT NULL,
    reason     text COLLATE "C" NOT NULL,
    at_ms      bigint NOT NULL,
    retrying   boolean NOT NULL DEFAULT false,
    event      bytea NOT NULL,
    refusals   bytea NOT NULL,            -- JSON
    PRIMARY KEY (connection, partition, position)
);

CREATE INDEX failures_by_reason ON failures (connection, reason);

CREATE INDEX failures_by_time ON failures (connection, at_ms);

CREATE INDEX failures_retrying ON failures (connection, position) WHERE retrying;

CREATE TABLE replays (
    connection integer NOT NULL,
    partition  smallint NOT NULL DEFAULT 0,
    settled    bigint NOT NULL,
    last       bigint NOT NULL,
    events     text NOT NULL,             -- JSON: names, none for all
    PRIMARY KEY (connection, partition)
);

-- What the event log has not taken yet.
CREATE TABLE unlogged (
    number     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    connection integer NOT NULL,
    noted      bytea NOT NULL,
    sent       bytea NOT NULL
);

-- Small files of the data directory (accounts, API tokens, sources), encrypted.
CREATE TABLE files (
    name       text COLLATE "C" PRIMARY KEY,
    changed_ns bigint NOT NULL,
    content    bytea NOT NULL
);
