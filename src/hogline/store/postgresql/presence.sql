-- name: timeline
SELECT CASE WHEN NOT pg_is_in_recovery() THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END

-- name: key_check
SELECT key_check FROM store

-- name: check_key
UPDATE store SET key_check = coalesce(key_check, %(check)s) RETURNING key_check = %(check)s

-- name: announce
INSERT INTO process (id, role, host, pid, version, address, began, lease_s, topic, seen)
VALUES (%(id)s, %(role)s, %(host)s, %(pid)s, %(version)s, %(address)s, %(began)s, %(lease_s)s, %(topic)s,
    clock_timestamp())
ON CONFLICT (id) DO UPDATE SET seen = excluded.seen, address = excluded.address

-- name: late
SELECT id FROM process WHERE seen < clock_timestamp() - lease_s * interval '1 second'

-- name: leave
DELETE FROM process WHERE id = %(id)s

-- name: new_writer
INSERT INTO writer (name, epoch, owner) VALUES (%(name)s, %(epoch)s, %(owner)s)

-- name: no_writer
DELETE FROM writer WHERE name = %(name)s

-- name: new_hand
INSERT INTO hand (process, lease_s, seen) VALUES (%(id)s, %(lease_s)s, clock_timestamp())

-- name: beat_hand
UPDATE hand SET seen = clock_timestamp() WHERE process = %(id)s RETURNING process

-- name: no_hand
DELETE FROM hand WHERE process = %(id)s

-- name: processes
SELECT role, host, pid, version, address, (extract(epoch FROM began) * 1000)::bigint,
    extract(epoch FROM clock_timestamp() - process.seen)::float8,
    process.seen > clock_timestamp() - process.lease_s / 2 * interval '1 second',
    owns, hand.ordered
FROM process LEFT JOIN hand ON hand.process = process.id,
    LATERAL (SELECT EXISTS (SELECT FROM store WHERE owner = id AND lease > clock_timestamp()) AS owns) AS owning
WHERE role <> 'command' AND (owns OR hand.process IS NOT NULL OR NOT EXISTS (
    -- It waits to own the store, too.
    SELECT FROM hand JOIN process AS helper ON helper.id = hand.process
    WHERE helper.host = process.host AND helper.pid = process.pid))
ORDER BY role, began, id

-- name: behind
SELECT name, greatest(0, ending.last - start - (
        SELECT coalesce(sum(n), 0) FROM counters
        WHERE connection = connections.id AND kind IN ('delivered', 'filtered', 'held')
    )::bigint - (SELECT count(*) FROM failures WHERE connection = connections.id)),
    greatest(0, extract(epoch FROM clock_timestamp()) * 1000 - (
        SELECT received_ms FROM journal WHERE partition = 0 AND position = 1 + (
            SELECT CASE WHEN count(*) < %(lanes)s THEN connections.start ELSE min(position) END FROM lanes
            WHERE connection = connections.id AND partition = 0
        )))::float8 / 1000
FROM connections, journal_end AS ending WHERE ending.partition = 0 ORDER BY connections.id
