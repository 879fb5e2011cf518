-- name: begin
UPDATE task SET epoch = %(epoch)s
WHERE id IN (
    SELECT id FROM task WHERE epoch IS NULL AND asked > clock_timestamp() - %(fresh_s)s * interval '1 second'
    ORDER BY number LIMIT %(most)s
) AND EXISTS (SELECT FROM store WHERE owner = %(owner)s AND epoch = %(epoch)s)
RETURNING id, request

-- name: never_heard
UPDATE task SET epoch = NULL WHERE epoch = %(epoch)s AND answer IS NULL AND NOT id = ANY(%(mine)s::uuid[])
RETURNING id

-- name: answer
UPDATE task SET answer = %(answer)s WHERE id = %(id)s RETURNING id

-- name: owned
SELECT EXISTS (
    SELECT FROM store JOIN process ON id = owner
    WHERE lease > clock_timestamp() AND role <> 'command' AND EXISTS (
        SELECT FROM pg_stat_activity WHERE pid = backend AND (backend_start IS NULL OR backend_start = store.began)))

-- name: ask
INSERT INTO task (id, request) VALUES (%(id)s, %(request)s) ON CONFLICT DO NOTHING RETURNING id

-- name: answered
SELECT answer, task.epoch, store.epoch, owner IS NOT NULL AND lease > clock_timestamp()
FROM task, store WHERE id = %(id)s

-- name: done
DELETE FROM task WHERE id = %(id)s OR asked < clock_timestamp() - interval '1 day' RETURNING id, epoch
