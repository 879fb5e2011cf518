-- name: count
INSERT INTO counters (connection, kind, reason, n)
SELECT %(connection)s, * FROM unnest(%(kinds)b::text[], %(reasons)b::text[], %(ns)b::bigint[])
ON CONFLICT (connection, partition, kind, reason) DO UPDATE SET n = counters.n + excluded.n

-- name: clear
UPDATE lanes SET clear = greatest(lanes.clear, one.position)
FROM unnest(%(lanes)b::smallint[], %(positions)b::bigint[]) AS one (lane, position)
WHERE connection = %(connection)s AND partition = 0 AND lanes.lane = one.lane

-- name: lanes
INSERT INTO lanes (connection, lane, position)
SELECT %(connection)s, * FROM unnest(%(lanes)b::smallint[], %(positions)b::bigint[])
ON CONFLICT (connection, partition, lane) DO UPDATE SET position = greatest(lanes.position, excluded.position)

-- name: settle_replay
WITH settled AS (
    UPDATE replays SET settled = %(settled)s
    WHERE connection = %(connection)s AND partition = 0 AND %(settled)s < last
)
DELETE FROM replays WHERE connection = %(connection)s AND partition = 0 AND %(settled)s >= last

-- name: fail
INSERT INTO failures (connection, position, uuid, reason, at_ms, event, refusals)
VALUES (%(connection)s, %(position)s, %(uuid)s, %(reason)s, %(at_ms)s, %(event)s, %(refusals)s)
ON CONFLICT (connection, partition, position) DO UPDATE SET reason = excluded.reason, at_ms = excluded.at_ms,
    refusals = excluded.refusals, retrying = false WHERE failures.retrying
RETURNING position

-- name: resolve
DELETE FROM failures
WHERE connection = %(connection)s AND partition = 0 AND position = ANY(%(positions)b::bigint[]) RETURNING position

-- name: absorb
UPDATE held SET distinct_id = one.person
FROM unnest(%(absorbed)b::text[], %(people)b::text[]) AS one (absorbed, person)
WHERE connection = %(connection)s AND distinct_id = one.absorbed

-- name: hold
INSERT INTO held (connection, position, distinct_id, received_ms, event)
SELECT %(connection)s, * FROM unnest(%(positions)b::bigint[], %(people)b::text[], %(received)b::bigint[],
    %(events)b::bytea[])

-- name: release
DELETE FROM held WHERE connection = %(connection)s AND partition = 0 AND position = ANY(%(positions)b::bigint[])
RETURNING octet_length(event)

-- name: given_up
SELECT reason, n FROM counters WHERE connection = %(connection)s AND partition = 0 AND kind = 'filtered'
    AND reason IN ('hold_expired', 'hold_full', 'hold_too_many') ORDER BY reason

-- name: give_up_beyond
DELETE FROM held WHERE connection = %(connection)s AND partition = 0 AND position IN (
    SELECT position FROM (
        SELECT position, row_number() OVER newest AS place, sum(octet_length(event)) OVER newest AS taken
        FROM held WHERE connection = %(connection)s AND distinct_id = ANY(%(people)b::text[])
        WINDOW newest AS (PARTITION BY distinct_id ORDER BY position DESC)
    ) AS counted WHERE place > %(most)s OR (taken > %(most_bytes)s AND place > 1))
RETURNING position, octet_length(event)

-- name: give_up_of
DELETE FROM held WHERE connection = %(connection)s AND distinct_id = ANY(%(people)b::text[])
RETURNING position, octet_length(event)

-- name: give_up_at
DELETE FROM held WHERE connection = %(connection)s AND partition = 0 AND position = ANY(%(positions)b::bigint[])
RETURNING position, octet_length(event)

-- name: oldest_held
SELECT position, received_ms, octet_length(event) FROM held WHERE connection = %(connection)s AND partition = 0
ORDER BY position LIMIT 1000

-- name: held_bytes
SELECT coalesce(sum(n), 0)::bigint FROM counters WHERE connection = %(connection)s AND kind = 'held_bytes'

-- name: note
INSERT INTO unlogged (connection, noted, sent) VALUES (%(connection)s, %(noted)s, %(sent)s)
