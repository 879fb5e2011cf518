-- name: check_key
UPDATE store SET key_check = coalesce(key_check, %(check)s) RETURNING key_check = %(check)s

-- name: announce
INSERT INTO process (id, role, host, pid, version, began, seen)
VALUES (%(id)s, %(role)s, %(host)s, %(pid)s, %(version)s, %(began)s, clock_timestamp())
ON CONFLICT (id) DO UPDATE SET seen = excluded.seen

-- name: leave
DELETE FROM process WHERE id = %(id)s

-- name: new_writer
INSERT INTO writer (name, epoch, owner) VALUES (%(name)s, %(epoch)s, %(owner)s)

-- name: no_writer
DELETE FROM writer WHERE name = %(name)s
