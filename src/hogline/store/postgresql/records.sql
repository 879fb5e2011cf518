-- name: ids
SELECT id, parent, since, depth, people FROM ids WHERE id = ANY(%(names)b::text[])

-- name: people
SELECT id, known FROM known WHERE id = ANY(%(names)b::text[])

-- name: members
SELECT id FROM ids WHERE parent = %(name)s::text ORDER BY id

-- name: told
SELECT person, body, due_ms FROM told WHERE connection = %(connection)s AND person = ANY(%(names)b::text[])

-- name: ledger
SELECT email, person, state, kind, value, others FROM ledger
WHERE connection = %(connection)s AND email = ANY(%(names)b::text[])

-- name: held
SELECT position, distinct_id, received_ms, event FROM (
    SELECT position, distinct_id, received_ms, event,
        sum(octet_length(event)) OVER newest AS taken, row_number() OVER newest AS place
    FROM held WHERE connection = %(connection)s AND distinct_id = ANY(%(names)b::text[])
    WINDOW newest AS (ORDER BY position DESC)
) AS counted WHERE taken <= %(most_bytes)s OR place = 1 ORDER BY position

-- name: folded
SELECT position FROM folded WHERE partition = 0

-- name: due
SELECT person, due_ms FROM told
WHERE connection = %(connection)s AND partition = 0 AND due_ms > 0 AND due_ms < %(never_ms)s
ORDER BY due_ms LIMIT %(most)s

-- name: again
SELECT kind, person FROM again WHERE connection = %(connection)s AND partition = 0
ORDER BY kind, person LIMIT %(most)s

-- name: settled_before
SELECT last, positions FROM settled_before WHERE connection = %(connection)s

-- name: put_known
INSERT INTO known (id, email, folded, folded_email, known)
SELECT * FROM unnest(%(ids)b::text[], %(emails)b::text[], %(folded)b::text[], %(folded_emails)b::text[],
    %(known)b::bytea[])
ON CONFLICT (id) DO UPDATE SET email = excluded.email, folded_email = excluded.folded_email, known = excluded.known

-- name: put_ids
INSERT INTO ids (id, folded, parent, since, depth, people)
SELECT * FROM unnest(%(ids)b::text[], %(folded)b::text[], %(parents)b::text[], %(since)b::bigint[],
    %(depths)b::integer[], %(people)b::bytea[])
ON CONFLICT (id) DO UPDATE SET parent = excluded.parent, since = excluded.since, depth = excluded.depth,
    people = excluded.people

-- name: put_seen
UPDATE seen SET day = one.day FROM unnest(%(ids)b::text[], %(days)b::integer[]) AS one (id, day)
WHERE seen.id = one.id AND seen.day < one.day

-- name: put_folded
UPDATE folded SET position = %(position)s WHERE partition = 0

-- name: put_told
INSERT INTO told (connection, person, folded, body, due_ms)
SELECT %(connection)s, * FROM unnest(%(people)b::text[], %(folded)b::text[], %(bodies)b::bytea[], %(due)b::bigint[])
ON CONFLICT (connection, person) DO UPDATE SET body = excluded.body, due_ms = excluded.due_ms

-- name: end_told
DELETE FROM told WHERE connection = %(connection)s AND person = ANY(%(names)b::text[])

-- name: put_ledger
INSERT INTO ledger (connection, email, person, state, kind, value, others)
SELECT %(connection)s, * FROM unnest(%(emails)b::text[], %(people)b::text[], %(states)b::smallint[],
    %(kinds)b::smallint[], %(values)b::text[], %(others)b::bigint[])
ON CONFLICT (connection, email) DO UPDATE SET person = excluded.person, state = excluded.state,
    kind = excluded.kind, value = excluded.value, others = excluded.others

-- name: end_ledger
DELETE FROM ledger WHERE connection = %(connection)s AND email = ANY(%(names)b::text[])

-- name: put_again
INSERT INTO again (connection, kind, person) SELECT %(connection)s, %(kind)s, unnest(%(names)b::text[])
ON CONFLICT DO NOTHING

-- name: put_freed
INSERT INTO again (connection, kind, person)
SELECT %(connection)s, 'freed', id FROM unnest(%(emails)b::text[]) AS freed (address), LATERAL (
    SELECT id FROM known WHERE email = freed.address
        AND EXISTS (SELECT FROM told WHERE connection = %(connection)s AND person = id) LIMIT %(most)s
) AS theirs
ON CONFLICT DO NOTHING

-- name: put_denied
INSERT INTO again (connection, kind, person)
SELECT %(connection)s, 'freed', who FROM unnest(%(people)b::text[], %(emails)b::text[]) AS denied (who, address)
WHERE NOT EXISTS (
    SELECT FROM ledger WHERE connection = %(connection)s AND email = address AND state <> %(left)s)
ON CONFLICT DO NOTHING

-- name: end_again
DELETE FROM again USING unnest(%(kinds)b::text[], %(names)b::text[]) AS done (kind, person)
WHERE connection = %(connection)s AND partition = 0 AND again.kind = done.kind AND again.person = done.person
