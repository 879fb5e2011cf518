CREATE INDEX dead_letters_by_time ON dead_letters (connection, at_ms);
