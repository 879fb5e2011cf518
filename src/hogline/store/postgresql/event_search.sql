-- name: outcomes
SELECT id, kind, reason FROM event_outcomes

-- name: ends
SELECT first, (SELECT max(block) FROM event_names WHERE partition = 0) FROM event_progress WHERE partition = 0

-- name: results
SELECT block, connection, outcomes, shipments{columns} FROM event_results{joins}
WHERE partition = 0 AND connection = ANY(%(connections)b::integer[]) AND block BETWEEN %(low)s AND %(high)s
    AND seen & %(seen)s <> 0{conditions}
ORDER BY block DESC, connection

-- name: earlier
SELECT shipment, position, outcome FROM event_earlier
WHERE partition = 0 AND connection = %(connection)s AND position = ANY(%(positions)b::bigint[])

-- name: blocks
SELECT block, outcomes, shipments FROM event_results
WHERE partition = 0 AND connection = %(connection)s AND block = ANY(%(blocks)b::bigint[])
