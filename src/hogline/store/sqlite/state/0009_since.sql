-- Since when it runs, is paused or is stopped, in milliseconds since 1970. 0: from before this was kept.
ALTER TABLE connections ADD COLUMN since_ms INTEGER NOT NULL DEFAULT 0;
