-- name: answer
UPDATE hand SET reports = %(reports)s WHERE process = %(id)s
RETURNING ordered, (SELECT goes FROM orders), (SELECT number FROM changed WHERE name = 'suppressed')

-- name: expired
SELECT process::text FROM hand WHERE seen < clock_timestamp() - lease_s * interval '1 second'

-- name: processes
SELECT process::text FROM hand

-- name: mates
SELECT process::text, heard, reports FROM hand ORDER BY process

-- name: numbers
SELECT number, goes FROM orders

-- name: bury
WITH dead AS (DELETE FROM hand WHERE process::text = ANY(%(processes)b::text[]) RETURNING process)
DELETE FROM writer WHERE owner IN (SELECT process FROM dead)

-- name: hear
UPDATE hand SET heard = %(heard)s WHERE process = %(id)s

-- name: put
WITH those AS (
    SELECT * FROM unnest(%(processes)b::text[], %(orders)b::text[]) AS one (process, ordered)
)
UPDATE hand SET ordered = those.ordered FROM those WHERE hand.process::text = those.process

-- name: count
UPDATE orders SET number = %(number)s

-- name: go
UPDATE orders SET goes = %(number)s
