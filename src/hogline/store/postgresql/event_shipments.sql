-- name: newest
SELECT part, day, next, bytes, connections FROM event_parts
WHERE part = (SELECT part FROM event_progress WHERE partition = 0)

-- name: begin
UPDATE event_progress SET part = part + 1 WHERE partition = 0 RETURNING part

-- name: create
CREATE TABLE event_shipments_{part} (LIKE event_shipments INCLUDING ALL)

-- name: add_part
INSERT INTO event_parts (part, day, next, last, bytes, connections)
VALUES (%(part)s, %(day)s, %(next)s, 0, 0, '{}')

-- name: grow
UPDATE event_parts SET next = next + %(n)s, last = greatest(last, %(last)s), bytes = bytes + %(bytes)s,
    connections = ARRAY(SELECT unnest(connections || %(connections)b::integer[]) AS one GROUP BY one ORDER BY one)
WHERE part = %(part)s

-- name: insert
INSERT INTO event_shipments_{part}
SELECT * FROM unnest(%(ids)b::bigint[], %(connections)b::integer[], %(began)b::bigint[], %(at)b::bigint[],
    %(lasts)b::bigint[], %(others)b::bytea[], %(sent)b::bytea[])

-- name: parts
SELECT part, connections, last FROM event_parts ORDER BY part

-- name: over
SELECT part FROM event_parts WHERE last < %(first)s ORDER BY part

-- name: drop_part
DELETE FROM event_parts WHERE part = %(part)s

-- name: drop
DROP TABLE IF EXISTS event_shipments_{part}

-- name: times
SELECT id, at_ms FROM event_shipments_{part} WHERE id = ANY(%(ids)b::bigint[])

-- name: whole
SELECT id, began_ms, at_ms, sent FROM event_shipments_{part} WHERE id = ANY(%(ids)b::bigint[])

-- name: contents
SELECT id, others, sent FROM event_shipments_{part} WHERE id = ANY(%(ids)b::bigint[])

-- name: change
UPDATE event_shipments_{part} SET others = %(others)s, sent = %(sent)s WHERE id = %(id)s

-- name: remove_old
DELETE FROM event_shipments_{part} WHERE last < %(first)s

-- name: keep_only
DELETE FROM event_shipments_{part} WHERE connection <> ALL(%(kept)b::integer[])

-- name: kept
UPDATE event_parts SET connections = ARRAY(SELECT unnest(connections) INTERSECT SELECT unnest(%(kept)b::integer[]))
