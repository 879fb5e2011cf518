-- oldest_reader: 4
--
-- Several processes on one store: one owns it and delivers, any number of others receive, stand by or serve pages.

-- Everybody who uses the store: a row is written anew every few seconds.
CREATE TABLE process (
    id      uuid PRIMARY KEY,
    role    text NOT NULL,
    host    text NOT NULL,
    pid     integer NOT NULL,
    version text NOT NULL,
    address text NOT NULL DEFAULT '',     -- where it listens
    began   timestamptz NOT NULL,
    seen    timestamptz NOT NULL
);

-- Until when the owner may begin requests, and whose lock on a data directory proves that a former owner is dead.
ALTER TABLE store ADD COLUMN sends_until timestamptz, ADD COLUMN place text;

-- Too many events wait: receivers refuse more.
ALTER TABLE store ADD COLUMN is_full boolean NOT NULL DEFAULT false;

-- A receiver has a row here, too. `before`: the position before the events of its last `receive`.
ALTER TABLE writer ADD COLUMN before bigint NOT NULL DEFAULT 0;

-- Rises with each change of what receivers keep in memory.
CREATE TABLE changed (
    name   text PRIMARY KEY,
    number bigint NOT NULL DEFAULT 0
);

INSERT INTO changed (name) VALUES ('tokens'), ('suppressed');

CREATE FUNCTION note_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE changed SET number = number + 1 WHERE name = TG_TABLE_NAME;
    RETURN NULL;
END
$$;

CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON tokens FOR EACH STATEMENT EXECUTE FUNCTION note_changed();

CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON suppressed
    FOR EACH STATEMENT EXECUTE FUNCTION note_changed();

-- Appends events and counts what was refused, in one statement: whoever calls it and freezes holds no lock. Rows of
-- `refused` come first and in order, the journal's end last, so writers never wait for each other in a circle.
CREATE FUNCTION receive(
    which text, mine uuid, since bigint, last_number bigint,
    bodies bytea[], size bigint, at_ms bigint, reasons text[], times bigint[]
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    behind bigint;
    stamp bigint;
BEGIN
    PERFORM fence(which, mine, since, last_number);
    IF cardinality(reasons) > 0 THEN
        INSERT INTO refused SELECT * FROM unnest(reasons, times) AS one (reason, n) ORDER BY reason COLLATE "C"
        ON CONFLICT (reason) DO UPDATE SET events = refused.events + excluded.events;
    END IF;
    UPDATE journal_end SET last = last + cardinality(bodies), bytes = bytes + size,
        received_ms = greatest(received_ms, at_ms)
    WHERE partition = 0 RETURNING last - cardinality(bodies), received_ms INTO behind, stamp;
    INSERT INTO journal (position, received_ms, body)
    SELECT behind + number, stamp, body FROM unnest(bodies) WITH ORDINALITY AS one (body, number);
    UPDATE writer SET before = behind WHERE name = which;
    RETURN behind;
END
$$;
