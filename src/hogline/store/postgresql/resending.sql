-- name: at_random
SELECT person FROM told WHERE connection = %(connection)s ORDER BY random() LIMIT %(most)s

-- name: next
SELECT person FROM told WHERE connection = %(connection)s AND person > %(after)s ORDER BY person LIMIT %(most)s

-- name: resending
SELECT people, asked FROM resending WHERE connection = %(connection)s

-- name: resend_everyone
INSERT INTO resending SELECT %(connection)s, count(*), 0, '' FROM told WHERE connection = %(connection)s
ON CONFLICT DO NOTHING

-- name: after
SELECT after FROM resending WHERE connection = %(connection)s

-- name: more
UPDATE resending SET asked = asked + %(people)s, after = %(after)s WHERE connection = %(connection)s

-- name: end
DELETE FROM resending WHERE connection = %(connection)s

-- name: name_nobody_gone
UPDATE resending SET after = coalesce((
    SELECT person FROM told WHERE told.connection = resending.connection AND person < after
    ORDER BY person DESC LIMIT 1), '')
WHERE after <> ''
    AND NOT EXISTS (SELECT FROM told WHERE told.connection = resending.connection AND person = after)
