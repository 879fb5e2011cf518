-- What the event log has not taken yet (store/event_log.py, `Unlogged`). AUTOINCREMENT: the log remembers numbers.
CREATE TABLE unlogged (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    connection INTEGER NOT NULL,
    noted      BLOB NOT NULL,
    sent       BLOB NOT NULL
) STRICT;
