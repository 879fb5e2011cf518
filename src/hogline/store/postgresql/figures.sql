-- Each for `minutes`; for `hours` it is the same.

-- name: add
INSERT INTO minutes AS kept (at, connection, kind, reason, n)
SELECT %(at)s, connection, kind, reason, CASE WHEN kind = ANY(%(peaks)b::text[]) THEN max(n) ELSE sum(n) END
FROM unnest(%(connections)b::integer[], %(kinds)b::text[], %(reasons)b::text[], %(ns)b::bigint[])
    AS added (connection, kind, reason, n)
GROUP BY connection, kind, reason ORDER BY connection, kind, reason
ON CONFLICT (at, connection, kind, reason) DO UPDATE SET
    n = CASE WHEN kept.kind = ANY(%(peaks)b::text[]) THEN greatest(kept.n, excluded.n) ELSE kept.n + excluded.n END

-- name: trim
DELETE FROM minutes WHERE at < %(at)s

-- name: read
SELECT at - at %% %(step_s)s AS step, kind, reason,
    (CASE WHEN kind = ANY(%(peaks)b::text[]) THEN max(n) ELSE sum(n) END)::bigint
FROM minutes WHERE at >= %(since_s)s AND at < %(until_s)s AND connection = %(connection)s
GROUP BY step, kind, reason ORDER BY step, kind, reason

-- name: keep_only
DELETE FROM minutes WHERE connection <> ALL(%(kept)b::integer[])
