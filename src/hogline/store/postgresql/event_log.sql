-- name: progress
SELECT taken, first FROM event_progress WHERE partition = 0

-- name: hold
SELECT taken, first FROM event_progress WHERE partition = 0 FOR UPDATE

-- name: took
UPDATE event_progress SET taken = %(taken)s WHERE partition = 0

-- name: outcomes
SELECT id, kind, reason FROM event_outcomes

-- name: add_outcome
INSERT INTO event_outcomes SELECT coalesce(max(id), 0) + 1, %(kind)s, %(reason)s FROM event_outcomes RETURNING id

-- name: trimmed
UPDATE event_progress SET first = %(first)s WHERE partition = 0 AND first < %(first)s

-- name: trim_names
DELETE FROM event_names WHERE partition = 0 AND block < %(block)s

-- name: trim_people
DELETE FROM event_people WHERE partition = 0 AND block < %(block)s

-- name: trim_results
DELETE FROM event_results WHERE partition = 0 AND block < %(block)s

-- name: trim_earlier
DELETE FROM event_earlier WHERE partition = 0 AND position < %(first)s

-- name: keep_only_results
DELETE FROM event_results WHERE connection <> ALL(%(kept)b::integer[])

-- name: keep_only_earlier
DELETE FROM event_earlier WHERE connection <> ALL(%(kept)b::integer[])

-- name: forget_earlier
DELETE FROM event_earlier WHERE partition = 0 AND position = ANY(%(positions)b::bigint[]) RETURNING shipment
