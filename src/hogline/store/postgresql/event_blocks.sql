-- name: results
SELECT connection, block, outcomes, shipments FROM event_results
WHERE partition = 0 AND (connection, block) IN (SELECT * FROM unnest(%(connections)b::integer[], %(blocks)b::bigint[]))

-- name: results_of_all
SELECT connection, block, outcomes, shipments FROM event_results
WHERE partition = 0 AND block = ANY(%(blocks)b::bigint[])

-- name: names
SELECT block, names FROM event_names WHERE partition = 0 AND block = ANY(%(blocks)b::bigint[])

-- name: people
SELECT block, people FROM event_people WHERE partition = 0 AND block = ANY(%(blocks)b::bigint[])

-- name: put_results
INSERT INTO event_results (connection, block, seen, outcomes, shipments)
SELECT * FROM unnest(%(connections)b::integer[], %(blocks)b::bigint[], %(seen)b::bigint[], %(outcomes)b::bytea[],
    %(shipments)b::bytea[])
ON CONFLICT (partition, connection, block) DO UPDATE
    SET seen = excluded.seen, outcomes = excluded.outcomes, shipments = excluded.shipments

-- name: put_names
INSERT INTO event_names (block, names) SELECT * FROM unnest(%(blocks)b::bigint[], %(names)b::bytea[])
ON CONFLICT (partition, block) DO UPDATE SET names = excluded.names

-- name: put_people
INSERT INTO event_people (block, people) SELECT * FROM unnest(%(blocks)b::bigint[], %(people)b::bytea[])
ON CONFLICT (partition, block) DO UPDATE SET people = excluded.people

-- name: put_earlier
INSERT INTO event_earlier (connection, position, shipment, outcome)
SELECT * FROM unnest(%(connections)b::integer[], %(positions)b::bigint[], %(shipments)b::bigint[],
    %(outcomes)b::integer[])
ON CONFLICT (partition, connection, position, shipment) DO UPDATE SET outcome = excluded.outcome
