-- name: told_after
SELECT person FROM told WHERE connection = %(connection)s AND person > %(from)s ORDER BY person LIMIT %(most)s

-- name: told_before
SELECT person FROM told WHERE connection = %(connection)s AND person < %(from)s ORDER BY person DESC LIMIT %(most)s

-- name: all_after
SELECT person FROM (
    (SELECT person FROM told WHERE connection = %(connection)s AND person > %(from)s ORDER BY person LIMIT %(most)s)
    UNION (SELECT id FROM known WHERE id > %(from)s ORDER BY id LIMIT %(most)s)
    UNION (SELECT id FROM ids WHERE id > %(from)s ORDER BY id LIMIT %(most)s)
) AS everybody ORDER BY person LIMIT %(most)s

-- name: all_before
SELECT person FROM (
    (SELECT person FROM told WHERE connection = %(connection)s AND person < %(from)s
     ORDER BY person DESC LIMIT %(most)s)
    UNION (SELECT id FROM known WHERE id < %(from)s ORDER BY id DESC LIMIT %(most)s)
    UNION (SELECT id FROM ids WHERE id < %(from)s ORDER BY id DESC LIMIT %(most)s)
) AS everybody ORDER BY person DESC LIMIT %(most)s

-- name: find
SELECT person FROM (
    SELECT id AS person FROM known WHERE id > %(after)s
        AND (strpos(coalesce(folded, id), %(low)s) > 0 OR strpos(coalesce(folded_email, email), %(low)s) > 0)
    UNION SELECT person FROM told
    WHERE connection = %(connection)s AND person > %(after)s AND strpos(coalesce(folded, person), %(low)s) > 0
    UNION SELECT id FROM ids WHERE id > %(after)s AND strpos(coalesce(folded, id), %(low)s) > 0
) AS found ORDER BY person LIMIT %(most)s

-- name: whole
SELECT id FROM known WHERE id = %(text)s
UNION SELECT id FROM ids WHERE id = %(text)s
UNION SELECT person FROM told WHERE connection = %(connection)s AND person = %(text)s
UNION SELECT person FROM ledger WHERE connection = %(connection)s AND email IN (%(low)s, %(customer)s)
UNION SELECT id FROM known WHERE email = %(low)s

-- name: look_known
WITH looked AS MATERIALIZED (
    SELECT id, strpos(coalesce(folded, id), %(low)s) > 0
        OR coalesce(strpos(coalesce(folded_email, email), %(low)s) > 0, false) AS matches
    FROM known WHERE id > %(after)s ORDER BY id LIMIT %(most)s
)
SELECT id, matches FROM looked WHERE matches OR id = (SELECT max(id) FROM looked) ORDER BY id

-- name: look_told
WITH looked AS MATERIALIZED (
    SELECT person AS id, strpos(coalesce(folded, person), %(low)s) > 0 AS matches
    FROM told WHERE connection = %(connection)s AND person > %(after)s ORDER BY person LIMIT %(most)s
)
SELECT id, matches FROM looked WHERE matches OR id = (SELECT max(id) FROM looked) ORDER BY id

-- name: look_ids
WITH looked AS MATERIALIZED (
    SELECT id, strpos(coalesce(folded, id), %(low)s) > 0 AS matches
    FROM ids WHERE id > %(after)s ORDER BY id LIMIT %(most)s
)
SELECT id, matches FROM looked WHERE matches OR id = (SELECT max(id) FROM looked) ORDER BY id

-- name: look_attribute
WITH looked AS MATERIALIZED (
    SELECT id, known, (
        SELECT bool_or(position(start IN known) > 0) FROM unnest(%(starts)b::bytea[]) AS one (start)) AS matches
    FROM known WHERE id > %(after)s ORDER BY id LIMIT %(most)s
)
SELECT id, matches, known FROM looked WHERE matches OR id = (SELECT max(id) FROM looked) ORDER BY id

-- name: customers
SELECT count(*) FROM told WHERE connection = %(connection)s
    AND substring(body FROM 2 FOR 1) <> '\xc0'::bytea AND octet_length(body) > 1

-- name: known
SELECT (SELECT count(*) FROM known) + (
    SELECT count(*) FROM told
    WHERE connection = %(connection)s AND NOT EXISTS (SELECT FROM known WHERE id = person))
