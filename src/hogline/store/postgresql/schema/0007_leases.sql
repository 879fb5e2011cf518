-- oldest_reader: 4
--
-- After how many seconds without a sign of life a process may be gone: HOGLINE_STORE_LEASE_S where it runs.
ALTER TABLE process ADD COLUMN lease_s double precision NOT NULL DEFAULT 30;
