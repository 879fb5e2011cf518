-- name: number
SELECT number FROM writer WHERE name = %(name)s AND owner = %(owner)s AND epoch = %(epoch)s

-- name: fence
SELECT fence(%(name)s, %(owner)s, %(epoch)s, %(number)s)

-- name: skip
UPDATE writer SET number = number + 1 WHERE name = %(name)s AND owner = %(owner)s AND epoch = %(epoch)s
RETURNING number

-- name: receive
SELECT receive(%(name)s, %(owner)s, %(epoch)s, %(number)s, %(bodies)b::bytea[], %(bytes)s, %(received_ms)s,
    %(reasons)b::text[], %(events)b::bigint[])

-- name: before
SELECT before FROM writer WHERE name = %(name)s
