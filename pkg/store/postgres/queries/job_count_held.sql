-- How many deliveries wait for an endpoint, and are not due for an attempt only because it is closed.
--
-- $1 endpoint, $2 tenant, $3 at most so many are counted
SELECT count(*) FROM (
    SELECT FROM deliveries
    WHERE endpoint_id = $1 AND tenant = $2 AND wake_at IS NOT NULL AND state = 'scheduled'
    LIMIT $3
) held;
