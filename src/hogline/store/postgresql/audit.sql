-- name: add
WITH numbered AS (UPDATE audit_end SET last = last + 1 RETURNING last)
INSERT INTO audit SELECT last, %(at_ms)s, %(who)s, %(kind)s, %(address)s, %(action)s, %(connection)s, %(person)s,
    %(details)s FROM numbered

-- name: remove_old
DELETE FROM audit WHERE at_ms < %(keep_since_ms)s OR number <= (SELECT last FROM audit_end) - %(most)s

-- name: remove_of_strangers
DELETE FROM audit WHERE action = %(action)s AND number <= (
    SELECT number FROM audit WHERE action = %(action)s ORDER BY number DESC LIMIT 1 OFFSET %(most)s)

-- name: newest
SELECT number, at_ms, who, kind, address, action, connection, person, details FROM audit
WHERE (%(who)s = '' OR who = %(who)s) AND (%(action)s = '' OR action = %(action)s)
    AND (%(connection)s = '' OR connection = %(connection)s) AND (%(person)s = '' OR person = %(person)s)
    AND at_ms >= %(since_ms)s AND number < %(before)s
ORDER BY number DESC LIMIT %(most)s

-- name: oldest
SELECT number, at_ms, who, kind, address, action, connection, person, details FROM audit
WHERE (%(who)s = '' OR who = %(who)s) AND (%(action)s = '' OR action = %(action)s)
    AND (%(connection)s = '' OR connection = %(connection)s) AND (%(person)s = '' OR person = %(person)s)
    AND at_ms >= %(since_ms)s AND number > %(after)s
ORDER BY number LIMIT %(most)s
