-- name: looked
SELECT is_full, bytes FROM store, journal_end WHERE partition = 0

-- name: changed
SELECT name, number FROM changed

-- name: tokens
SELECT kind, token FROM tokens ORDER BY id

-- name: suppressed
SELECT hash FROM suppressed
