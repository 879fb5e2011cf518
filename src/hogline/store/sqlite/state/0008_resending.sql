-- Connections whose people are all sent again (store/values.py: Resending).
CREATE TABLE resending (
    connection INTEGER PRIMARY KEY,
    people     INTEGER NOT NULL,      -- how many there were at the start
    asked      INTEGER NOT NULL,      -- how many of them were put into `again` so far
    after      TEXT NOT NULL          -- the last of those
) STRICT;
