-- name: ends
SELECT first, last, received_ms, bytes FROM journal_end WHERE partition = 0

-- name: append
WITH grown AS (
    UPDATE journal_end SET last = last + cardinality(%(bodies)b::bytea[]),
        bytes = bytes + %(bytes)s, received_ms = greatest(received_ms, %(received_ms)s)
    WHERE partition = 0 RETURNING last - cardinality(%(bodies)b::bytea[]) AS before, received_ms
), added AS (
    INSERT INTO journal (position, received_ms, body)
    SELECT before + number, received_ms, body
    FROM grown, unnest(%(bodies)b::bytea[]) WITH ORDINALITY AS one (body, number)
)
SELECT before FROM grown

-- name: refuse
INSERT INTO refused SELECT * FROM unnest(%(reasons)b::text[], %(events)b::bigint[]) AS one (reason, n)
ORDER BY reason COLLATE "C"
ON CONFLICT (reason) DO UPDATE SET events = refused.events + excluded.events

-- name: refused
SELECT reason, events FROM refused ORDER BY reason

-- name: take
INSERT INTO backfills VALUES (%(run)s, %(rows)s) ON CONFLICT (run) DO UPDATE SET taken = excluded.taken

-- name: reach
INSERT INTO backfills SELECT * FROM unnest(%(runs)b::bigint[], %(rows)b::bigint[])
ON CONFLICT (run) DO UPDATE SET taken = excluded.taken

-- name: stretch
INSERT INTO backfilled (first, last, run, connection) VALUES (%(first)s, %(last)s, %(run)s, %(connection)s)

-- name: drop_runs
DELETE FROM backfills WHERE run = ANY(%(runs)b::bigint[])

-- name: empty
WITH before AS (
    SELECT coalesce(sum(octet_length(body) - octet_length(%(body)b::bytea)), 0)::bigint AS size
    FROM journal WHERE partition = 0 AND position BETWEEN %(first)s AND %(last)s
), emptied AS (
    UPDATE journal SET body = %(body)b WHERE partition = 0 AND position BETWEEN %(first)s AND %(last)s
)
UPDATE journal_end SET bytes = bytes - (SELECT size FROM before) WHERE partition = 0

-- name: stretches
SELECT first, last, run, connection FROM backfilled WHERE partition = 0 ORDER BY first

-- name: taken
SELECT run, taken FROM backfills

-- name: read
SELECT position, body FROM (
    SELECT position, body, sum(octet_length(body)) OVER so_far AS taken, row_number() OVER so_far AS place
    FROM (SELECT position, body FROM journal WHERE partition = 0 AND position > %(after)s
          ORDER BY position LIMIT %(most)s) AS next
    WINDOW so_far AS (ORDER BY position)
) AS counted WHERE taken <= %(most_bytes)s OR place = 1 ORDER BY position

-- name: received_at
SELECT received_ms FROM journal WHERE partition = 0 AND position = %(position)s

-- name: trim
WITH gone AS (
    DELETE FROM journal WHERE partition = 0 AND position <= %(last)s RETURNING octet_length(body) AS size
)
UPDATE journal_end SET first = %(last)s + 1,
    bytes = bytes - (SELECT coalesce(sum(size + %(row_bytes)s), 0) FROM gone)::bigint
WHERE partition = 0

-- name: trim_sheets
DELETE FROM lane_sheet WHERE partition = 0 AND first <= %(last)s AND first + octet_length(lanes) - 1 <= %(last)s

-- name: trim_stretches
DELETE FROM backfilled WHERE partition = 0 AND last <= %(last)s

-- name: rewrite
WITH before AS (
    SELECT journal.position, octet_length(journal.body) AS size
    FROM journal JOIN unnest(%(positions)b::bigint[]) AS one (position) USING (position) WHERE partition = 0
), changed AS (
    UPDATE journal SET body = one.body
    FROM unnest(%(positions)b::bigint[], %(bodies)b::bytea[]) AS one (position, body)
    WHERE partition = 0 AND journal.position = one.position
    RETURNING journal.position, octet_length(one.body) AS size
)
UPDATE journal_end SET bytes = bytes + (
    SELECT coalesce(sum(changed.size - before.size), 0) FROM changed JOIN before USING (position))::bigint
WHERE partition = 0
