-- name: tokens
SELECT token FROM tokens WHERE kind = %(kind)s ORDER BY id

-- name: all_tokens
SELECT id, token FROM tokens

-- name: add_token
INSERT INTO tokens (token, kind) VALUES (%(token)s, %(kind)s)

-- name: remove_token
DELETE FROM tokens WHERE id = %(id)s

-- name: connections
SELECT id, name, destination, options, paused, stopped, start, created_ms, workspace, since_ms
FROM connections ORDER BY id

-- name: add_connection
INSERT INTO connections (name, destination, options, paused, start, created_ms, since_ms, workspace)
VALUES (%(name)s, %(destination)s, %(options)s, %(paused)s, %(start)s, %(now_ms)s, %(now_ms)s, %(workspace)s)
ON CONFLICT (name) DO NOTHING RETURNING id

-- name: change_connection
UPDATE connections SET name = %(name)s, options = %(options)s, paused = %(paused)s, stopped = %(stopped)s,
    workspace = %(workspace)s, since_ms = %(since_ms)s
WHERE id = %(id)s

-- name: remove_told
DELETE FROM told WHERE connection = %(connection)s

-- name: remove_ledger
DELETE FROM ledger WHERE connection = %(connection)s

-- name: remove_again
DELETE FROM again WHERE connection = %(connection)s

-- name: remove_resending
DELETE FROM resending WHERE connection = %(connection)s

-- name: remove_held
DELETE FROM held WHERE connection = %(connection)s

-- name: remove_lanes
DELETE FROM lanes WHERE connection = %(connection)s

-- name: remove_counters
DELETE FROM counters WHERE connection = %(connection)s

-- name: remove_failures
DELETE FROM failures WHERE connection = %(connection)s

-- name: remove_replays
DELETE FROM replays WHERE connection = %(connection)s

-- name: remove_unlogged
DELETE FROM unlogged WHERE connection = %(connection)s

-- name: remove_settled_before
DELETE FROM settled_before WHERE connection = %(connection)s

-- name: remove_itself
DELETE FROM connections WHERE id = %(connection)s

-- name: release_held
INSERT INTO again (connection, kind, person)
SELECT DISTINCT connection, 'release', distinct_id FROM held WHERE connection = %(connection)s
ON CONFLICT DO NOTHING

-- name: look_again
UPDATE told SET due_ms = %(now_ms)s WHERE connection = %(connection)s AND due_ms = %(never_ms)s

-- name: lanes
SELECT lane, position FROM lanes WHERE connection = %(connection)s AND partition = 0

-- name: run_counts
SELECT reason, sum(n)::bigint FROM counters WHERE connection = %(connection)s AND kind = %(run)s
GROUP BY reason ORDER BY reason

-- name: drop_runs
DELETE FROM counters WHERE kind = ANY(%(runs)b::text[])

-- name: counts
SELECT kind, reason, sum(n)::bigint FROM counters WHERE connection = %(connection)s GROUP BY kind, reason
UNION ALL SELECT 'failures', reason, count(*) FROM failures WHERE connection = %(connection)s GROUP BY reason
ORDER BY 1, 2

-- name: failures
SELECT position, uuid, event, refusals, at_ms FROM (
    SELECT position, uuid, event, refusals, at_ms,
        sum(octet_length(event)) OVER so_far AS taken, row_number() OVER so_far AS place
    FROM (SELECT * FROM failures WHERE connection = %(connection)s AND partition = 0 AND position > %(after)s
            AND (%(reason)s::text = '' OR reason = %(reason)s) AND at_ms >= %(since_ms)s AND at_ms < %(until_ms)s
            AND (NOT %(retrying)s OR retrying)
          ORDER BY position LIMIT %(most)s) AS next
    WINDOW so_far AS (ORDER BY position)
) AS counted WHERE taken <= %(most_bytes)s OR place = 1 ORDER BY position

-- name: failures_before
SELECT position, uuid, event, refusals, at_ms FROM (
    SELECT position, uuid, event, refusals, at_ms,
        sum(octet_length(event)) OVER so_far AS taken, row_number() OVER so_far AS place
    FROM (SELECT * FROM failures WHERE connection = %(connection)s AND partition = 0 AND position > %(after)s
            AND position < %(before)s
            AND (%(reason)s::text = '' OR reason = %(reason)s) AND at_ms >= %(since_ms)s AND at_ms < %(until_ms)s
            AND (NOT %(retrying)s OR retrying)
          ORDER BY position DESC LIMIT %(most)s) AS next
    WINDOW so_far AS (ORDER BY position DESC)
) AS counted WHERE taken <= %(most_bytes)s OR place = 1 ORDER BY position DESC

-- name: failure
SELECT position, uuid, event, refusals, at_ms FROM failures
WHERE connection = %(connection)s AND partition = 0 AND position = %(position)s

-- name: failure_counts
SELECT reason, count(*) FROM failures
WHERE connection = %(connection)s AND at_ms >= %(since_ms)s AND at_ms < %(until_ms)s GROUP BY reason

-- name: retry
UPDATE failures SET retrying = true
WHERE connection = %(connection)s AND partition = 0 AND (%(reason)s::text = '' OR reason = %(reason)s)
    AND (%(positions)b::bigint[] IS NULL OR position = ANY(%(positions)b::bigint[]))
    AND at_ms >= %(since_ms)s AND at_ms < %(until_ms)s
RETURNING position

-- name: discard
DELETE FROM failures
WHERE connection = %(connection)s AND partition = 0 AND (%(reason)s::text = '' OR reason = %(reason)s)
    AND (%(positions)b::bigint[] IS NULL OR position = ANY(%(positions)b::bigint[]))
    AND at_ms >= %(since_ms)s AND at_ms < %(until_ms)s AND NOT retrying
RETURNING position

-- name: replay
SELECT settled, last, events FROM replays WHERE connection = %(connection)s AND partition = 0

-- name: begin_replay
INSERT INTO replays (connection, settled, last, events)
VALUES (%(connection)s, %(settled)s, %(last)s, %(events)s)
ON CONFLICT (connection, partition) DO UPDATE SET settled = excluded.settled, last = excluded.last,
    events = excluded.events

-- name: unlogged
SELECT number, connection, noted, sent FROM (
    SELECT number, connection, noted, sent,
        sum(octet_length(sent)) OVER so_far AS taken, row_number() OVER so_far AS place
    FROM (SELECT * FROM unlogged WHERE number > %(after)s ORDER BY number LIMIT %(most)s) AS next
    WINDOW so_far AS (ORDER BY number)
) AS counted WHERE taken <= %(most_bytes)s OR place = 1 ORDER BY number

-- name: logged
DELETE FROM unlogged WHERE number <= %(up_to)s

-- name: drop_unlogged
DELETE FROM unlogged WHERE number <= (
    SELECT max(number) FROM (
        SELECT number, sum(octet_length(noted) + octet_length(sent)) OVER (ORDER BY number DESC) AS bytes FROM unlogged
    ) AS counted WHERE bytes > %(most_bytes)s)
RETURNING number

-- name: newest_unlogged
SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM unlogged_number_seq

-- name: in_turn
-- Transactions of several processes go one after the other, so none decides on what another is about to change.
SELECT pg_advisory_xact_lock(hashtext('hogline state'))

-- name: suppressed_hashes
SELECT hash FROM suppressed
