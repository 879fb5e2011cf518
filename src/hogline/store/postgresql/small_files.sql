-- name: all
SELECT name, changed_ns, content FROM files

-- name: put
INSERT INTO files VALUES (%(name)s, %(changed_ns)s, %(content)s)
ON CONFLICT (name) DO UPDATE SET changed_ns = excluded.changed_ns, content = excluded.content

-- name: remove
DELETE FROM files WHERE name = %(name)s
