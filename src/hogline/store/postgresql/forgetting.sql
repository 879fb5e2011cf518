-- name: suppressed
SELECT hash FROM suppressed

-- name: suppress
WITH added AS (SELECT unnest(%(hashes)b::bytea[]) AS hash),
others AS (SELECT DISTINCT together FROM suppressed WHERE hash IN (SELECT hash FROM added)),
everybody AS (
    SELECT hash FROM added UNION SELECT hash FROM suppressed WHERE together IN (SELECT together FROM others)
)
INSERT INTO suppressed SELECT hash, (SELECT coalesce(max(together), 0) + 1 FROM suppressed) FROM everybody
ON CONFLICT (hash) DO UPDATE SET together = excluded.together

-- name: unsuppress
DELETE FROM suppressed WHERE together IN (
    SELECT together FROM suppressed WHERE hash = ANY(%(hashes)b::bytea[])) RETURNING hash

-- name: forget
INSERT INTO forgetting VALUES (%(distinct_ids)s)

-- name: forgetting
SELECT distinct_ids FROM forgetting

-- name: end_forgetting
DELETE FROM forgetting

-- name: to_clean
INSERT INTO cleaning (file) VALUES (%(file)s)

-- name: cleaning
SELECT id, file FROM cleaning ORDER BY id

-- name: cleaned
DELETE FROM cleaning WHERE id <= %(up_to)s

-- name: has_email
SELECT id FROM known WHERE email = %(small)s
UNION SELECT person FROM connections JOIN told ON told.connection = connections.id
    AND person IN (%(small)s, %(email)s)

-- name: had_email
SELECT DISTINCT person FROM told
WHERE position(%(small_bytes)b::bytea IN body) > 0 OR position(%(email_bytes)b::bytea IN body) > 0

-- name: connection_ids
SELECT id FROM connections ORDER BY id

-- name: expire_failures
DELETE FROM failures WHERE connection = %(connection)s AND partition = 0 AND position IN (
    SELECT position FROM failures WHERE connection = %(connection)s AND at_ms < %(before_ms)s AND NOT retrying
    ORDER BY at_ms LIMIT %(most)s)
RETURNING position

-- name: forget_known
DELETE FROM known WHERE id = ANY(%(names)b::text[])

-- name: forget_ids
DELETE FROM ids WHERE id = ANY(%(names)b::text[])

-- name: forget_seen
DELETE FROM seen WHERE id = ANY(%(names)b::text[])

-- name: forget_told
DELETE FROM told WHERE connection = %(connection)s AND person = ANY(%(names)b::text[])

-- name: forget_again
DELETE FROM again WHERE connection = %(connection)s AND person = ANY(%(names)b::text[])

-- name: forget_ledger
DELETE FROM ledger WHERE connection = %(connection)s AND person = ANY(%(names)b::text[])

-- name: naming_held
SELECT position, event FROM held
WHERE connection = %(connection)s AND partition = 0 AND position(%(name)b::bytea IN event) > 0

-- name: naming_failures
SELECT position, event FROM failures
WHERE connection = %(connection)s AND partition = 0 AND position(%(name)b::bytea IN event) > 0

-- name: rewrite_held
UPDATE held SET event = %(event)s WHERE connection = %(connection)s AND partition = 0 AND position = %(position)s

-- name: rewrite_failures
UPDATE failures SET event = %(event)s, refusals = %(refusals)s
WHERE connection = %(connection)s AND partition = 0 AND position = %(position)s

-- name: refusals
SELECT refusals FROM failures WHERE connection = %(connection)s AND partition = 0 AND position = %(position)s

-- name: drop_failures
DELETE FROM failures
WHERE connection = %(connection)s AND partition = 0 AND position = ANY(%(positions)b::bigint[])

-- name: next_known
SELECT id FROM known WHERE id > %(after)s ORDER BY id LIMIT %(most)s

-- name: next_ids
SELECT id FROM ids WHERE id > %(after)s ORDER BY id LIMIT %(most)s

-- name: next_told
SELECT person FROM told WHERE connection = %(connection)s AND person > %(after)s ORDER BY person LIMIT %(most)s

-- name: days
SELECT id, day FROM seen WHERE id = ANY(%(names)b::text[])

-- name: see
INSERT INTO seen SELECT unnest(%(names)b::text[]), %(today)s

-- name: not_seen_since
SELECT count(*) FROM seen WHERE id = ANY(%(names)b::text[]) AND day < %(day)s

-- name: holds
SELECT 1 FROM held WHERE connection = %(connection)s AND distinct_id = ANY(%(names)b::text[]) LIMIT 1

-- name: expire_told
DELETE FROM told WHERE person = ANY(%(names)b::text[])

-- name: expire_again
DELETE FROM again WHERE person = ANY(%(names)b::text[])
