-- Puts off a job whose chunk went wrong, twice as long each time; when it has gone wrong too often it has failed. That
-- the database could not do it just now does not count.
--
-- $1 id, $2 whether it counts, $3 how often is too often, $4 what went wrong
UPDATE jobs SET
    failures = least(failures + 1, 10),
    state = CASE WHEN $2 AND failures + 1 >= $3 THEN 'failed' ELSE state END,
    wake_at = CASE WHEN $2 AND failures + 1 >= $3 THEN NULL
        ELSE clock_timestamp() + interval '1 second' * 2 ^ least(failures, 6) END,
    error = $4,
    updated_at = clock_timestamp()
WHERE id = $1 AND state = 'running'
RETURNING state;
