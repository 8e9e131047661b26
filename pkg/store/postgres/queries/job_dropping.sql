-- The drop that is under way for an endpoint.
--
-- $1 endpoint, $2 tenant
SELECT id, tenant, kind, spec, state, stage, cursor, done, total, total_exact, per_second, error, created_by,
    wake_at, created_at, updated_at, finished_at
FROM jobs
WHERE endpoint = $1 AND tenant = $2 AND kind = 'drop_held' AND state IN ('running', 'paused');
