-- oldest_reader: 8
--
-- Which lane each event is in, for processes that read only those of their own lanes (src/hogline/core/sheets.py). Where
-- no sheet is, they read all.
CREATE TABLE lane_sheet (
    partition smallint NOT NULL DEFAULT 0,
    first     bigint NOT NULL,            -- the position of the first of its events
    lanes     bytea NOT NULL,             -- a byte for each event
    "left"    bytea NOT NULL,             -- MessagePack
    PRIMARY KEY (partition, first)
);
