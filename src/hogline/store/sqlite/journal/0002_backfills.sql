-- How many rows of a run of older events were taken: written with them, so that none is taken twice or left out.
CREATE TABLE backfills (
    run   INTEGER PRIMARY KEY,
    taken INTEGER NOT NULL
) STRICT;

-- Where they stand. 0: they are for every connection.
CREATE TABLE backfilled (
    first      INTEGER PRIMARY KEY,
    last       INTEGER NOT NULL,
    run        INTEGER NOT NULL,
    connection INTEGER NOT NULL
) STRICT;
