-- Keeps how far a job is, with the chunk that brought it there.
--
-- $1 id, $2 state, $3 stage, $4 cursor, $5 rows done, $6 when the next chunk is due (NULL: none is), $7 error,
-- $8 now
UPDATE jobs SET
    state = $2, stage = $3, cursor = $4, done = $5, wake_at = $6, error = $7, failures = 0,
    updated_at = $8,
    finished_at = CASE WHEN $2 IN ('done', 'cancelled') THEN $8::timestamptz END
WHERE id = $1;
