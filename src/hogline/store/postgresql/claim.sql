-- name: take
UPDATE store SET epoch = epoch + 1, owner = %(owner)s, host = %(host)s, place = %(place)s, backend = pg_backend_pid(),
    began = (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()),
    lease = clock_timestamp() + %(lease_s)s * interval '1 second',
    begins_until = clock_timestamp() + %(sends_s)s * interval '1 second'
FROM (SELECT owner FROM store) AS before
WHERE store.owner IS NULL OR lease < clock_timestamp() OR (
    (place = %(place)s OR begins_until < clock_timestamp()) AND NOT EXISTS (
        SELECT FROM pg_stat_activity WHERE pid = backend AND (backend_start IS NULL OR backend_start = began)))
RETURNING epoch, before.owner

-- name: take_writers
UPDATE writer SET owner = %(owner)s, epoch = %(epoch)s, number = number + 1 WHERE name IN ('journal', 'state')

-- name: bury_writers
DELETE FROM writer WHERE starts_with(name, 'guest ')
    AND owner IN (SELECT id FROM process WHERE seen < clock_timestamp() - interval '1 day')

-- name: bury
DELETE FROM process WHERE seen < clock_timestamp() - interval '1 day'

-- name: holder
SELECT host FROM store WHERE owner IS NOT NULL

-- name: beat
UPDATE store SET lease = clock_timestamp() + %(lease_s)s * interval '1 second', backend = pg_backend_pid(),
    began = (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()),
    begins_until = clock_timestamp() + %(sends_s)s * interval '1 second', is_full = %(is_full)s
WHERE owner = %(owner)s AND epoch = %(epoch)s RETURNING epoch

-- name: topics
SELECT DISTINCT topic FROM process WHERE topic <> '' AND seen > clock_timestamp() - lease_s * interval '1 second'

-- name: let_go
UPDATE store SET owner = NULL, lease = NULL WHERE owner = %(owner)s

-- name: release
UPDATE store SET owner = NULL, lease = NULL WHERE owner = %(owner)s AND epoch = %(epoch)s
