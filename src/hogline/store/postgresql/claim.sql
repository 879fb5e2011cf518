-- name: take
UPDATE store SET epoch = epoch + 1, owner = %(owner)s, host = %(host)s, backend = pg_backend_pid(),
    began = (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()),
    lease = clock_timestamp() + %(lease_s)s * interval '1 second'
WHERE owner IS NULL OR lease < clock_timestamp() OR NOT EXISTS (
    SELECT FROM pg_stat_activity WHERE pid = backend AND (backend_start IS NULL OR backend_start = began))
RETURNING epoch

-- name: take_writers
UPDATE writer SET owner = %(owner)s, epoch = %(epoch)s, number = number + 1

-- name: holder
SELECT host FROM store WHERE owner IS NOT NULL

-- name: beat
UPDATE store SET lease = clock_timestamp() + %(lease_s)s * interval '1 second', backend = pg_backend_pid(),
    began = (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())
WHERE owner = %(owner)s AND epoch = %(epoch)s RETURNING epoch

-- name: release
UPDATE store SET owner = NULL, lease = NULL WHERE owner = %(owner)s AND epoch = %(epoch)s

-- name: number
SELECT number FROM writer WHERE name = %(name)s AND owner = %(owner)s AND epoch = %(epoch)s

-- name: fence
SELECT fence(%(name)s, %(owner)s, %(epoch)s, %(number)s)

-- name: skip
UPDATE writer SET number = number + 1 WHERE name = %(name)s AND owner = %(owner)s AND epoch = %(epoch)s
RETURNING number

-- name: check_key
UPDATE store SET key_check = coalesce(key_check, %(check)s) RETURNING key_check = %(check)s
