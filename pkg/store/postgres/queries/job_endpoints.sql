-- What planning replays needs of their endpoints, and what an endpoint subscribes to.
--
-- $1 endpoints, $2 tenant
SELECT id, status, paused_at, paused_total, schedule, timeout, types, filter
FROM endpoints
WHERE id = ANY ($1::uuid[]) AND tenant = $2;
