-- oldest_reader: 1
--
-- What is written beside delivery, by any process.

-- The audit log. Numbers rise in the order of commits and are never used again: whoever exports goes on behind the last.
CREATE TABLE audit (
    number     bigint PRIMARY KEY,
    at_ms      bigint NOT NULL,
    who        text COLLATE "C" NOT NULL,
    kind       text NOT NULL,
    address    text NOT NULL,
    action     text COLLATE "C" NOT NULL,
    connection text COLLATE "C" NOT NULL,
    person     text COLLATE "C" NOT NULL,
    details    text NOT NULL              -- JSON
);

CREATE INDEX audit_by_time ON audit (at_ms);
CREATE INDEX audit_by_action ON audit (action, number);
CREATE INDEX audit_by_person ON audit (person, number) WHERE person <> '';

-- One row: the last number.
CREATE TABLE audit_end (
    last bigint NOT NULL
);

INSERT INTO audit_end VALUES (0);

-- Figures over time (store/figures.py). `at`: when the minute or the hour begins, seconds since 1970.
CREATE TABLE minutes (
    at         bigint NOT NULL,
    connection integer NOT NULL,
    kind       text COLLATE "C" NOT NULL,
    reason     text COLLATE "C" NOT NULL,
    n          bigint NOT NULL,
    PRIMARY KEY (at, connection, kind, reason)
);

CREATE TABLE hours (
    at         bigint NOT NULL,
    connection integer NOT NULL,
    kind       text COLLATE "C" NOT NULL,
    reason     text COLLATE "C" NOT NULL,
    n          bigint NOT NULL,
    PRIMARY KEY (at, connection, kind, reason)
);
