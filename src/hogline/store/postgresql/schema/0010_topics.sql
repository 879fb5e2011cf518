-- oldest_reader: 8
--
-- The topic into which a process puts events, as HOGLINE_JOURNAL names it; empty: it puts them into the journal.
ALTER TABLE process ADD COLUMN topic text NOT NULL DEFAULT '';
