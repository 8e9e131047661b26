-- Ends the drops of what an endpoint holds, because it does not hold it any more.
--
-- $1 endpoint, $2 tenant, $3 why
UPDATE jobs SET state = 'cancelled', wake_at = NULL, finished_at = clock_timestamp(), updated_at = clock_timestamp(),
    error = $3
WHERE endpoint = $1 AND tenant = $2 AND kind = 'drop_held' AND state IN ('running', 'paused');
