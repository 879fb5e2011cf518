-- Searching reads this index alone, from one end to the other: it is a tenth of the table.
CREATE INDEX people_by_id_and_email ON people (connection, distinct_id, email);

DROP INDEX people_by_email;
