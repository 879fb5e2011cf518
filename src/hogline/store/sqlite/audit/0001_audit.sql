-- Numbers are never used again: whoever exports goes on behind the last one.
CREATE TABLE entries (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL,
    who TEXT NOT NULL,
    kind TEXT NOT NULL,
    address TEXT NOT NULL,
    action TEXT NOT NULL,
    connection TEXT NOT NULL,
    person TEXT NOT NULL,
    details TEXT NOT NULL
) STRICT;
CREATE INDEX entries_by_time ON entries (at_ms);
CREATE INDEX entries_by_action ON entries (action, number);
CREATE INDEX entries_by_person ON entries (person, number) WHERE person != '';
