-- How many jobs of a tenant are under way, and whether one of them drops what an endpoint holds.
--
-- $1 tenant, $2 endpoint (NULL: none)
SELECT count(*), coalesce(bool_or(kind = 'drop_held' AND endpoint = $2), false)
FROM jobs
WHERE tenant = $1 AND state IN ('running', 'paused');
