-- name: far
SELECT lane, position, clear FROM lanes WHERE connection = %(connection)s AND partition = 0

-- name: put_sheets
INSERT INTO lane_sheet (first, lanes, "left")
SELECT * FROM unnest(%(first)b::bigint[], %(lanes)b::bytea[], %(left)b::bytea[])
ON CONFLICT (partition, first) DO UPDATE SET lanes = excluded.lanes, "left" = excluded."left"

-- name: sheets
SELECT first, lanes, "left" FROM lane_sheet WHERE partition = 0 AND first >= coalesce(
    (SELECT max(first) FROM lane_sheet WHERE partition = 0 AND first <= %(after)s + 1), 0)
ORDER BY first LIMIT %(most)s

-- name: events_at
SELECT position, body FROM (
    SELECT position, body, sum(octet_length(body)) OVER so_far AS taken, row_number() OVER so_far AS place
    FROM journal WHERE partition = 0 AND position = ANY(%(positions)b::bigint[])
    WINDOW so_far AS (ORDER BY position)
) AS counted WHERE taken <= %(most_bytes)s OR place = 1 ORDER BY position
