-- oldest_reader: 8
--
-- Several processes deliver one store: the owner gives lanes to the others (src/hogline/delivery/crew.py).

-- Up to which position everything was known when what is under way in a lane was begun.
ALTER TABLE lanes ADD COLUMN clear bigint NOT NULL DEFAULT 0;

-- A process that carries lanes for the owner.
CREATE TABLE hand (
    process uuid PRIMARY KEY,
    lease_s double precision NOT NULL,
    seen    timestamptz NOT NULL,
    heard   bigint NOT NULL DEFAULT 0,    -- the last order whose first step it has done
    reports text NOT NULL DEFAULT '{}',   -- JSON: how its connections do
    ordered text NOT NULL DEFAULT '{}'    -- JSON: the last order for it
);

CREATE TABLE orders (
    number bigint NOT NULL DEFAULT 0,     -- of the last one
    goes   bigint NOT NULL DEFAULT 0      -- what orders up to this one give may be taken up
);

INSERT INTO orders DEFAULT VALUES;

-- An older Hogline that waits to own the store does not know of hands. Without the column that it writes, it cannot.
ALTER TABLE store RENAME COLUMN sends_until TO begins_until;
