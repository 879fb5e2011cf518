-- name: all
SELECT name, changed_ns, content FROM files

-- name: changes
SELECT name, changed_ns FROM files

-- name: content
SELECT changed_ns, content FROM files WHERE name = %(name)s

-- name: put
INSERT INTO files VALUES (%(name)s, %(changed_ns)s, %(content)s)
ON CONFLICT (name) DO UPDATE SET changed_ns = excluded.changed_ns, content = excluded.content
WHERE files.changed_ns = %(before_ns)s RETURNING name

-- name: remove
DELETE FROM files WHERE name = %(name)s AND changed_ns = %(before_ns)s RETURNING name
