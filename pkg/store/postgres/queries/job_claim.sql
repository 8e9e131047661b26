-- The job that has been due for the longest time, locked, and when its tenant was deleted. One that somebody else is at
-- is passed over.
SELECT clock.now, t.deleted_at, j.*
FROM (SELECT clock_timestamp() AS now) clock
CROSS JOIN LATERAL (
    SELECT id, tenant, kind, spec, state, stage, cursor, done, total, total_exact, per_second, error, created_by,
    wake_at, created_at, updated_at, finished_at
    FROM jobs
    WHERE wake_at IS NOT NULL AND wake_at <= clock.now
    ORDER BY wake_at
    LIMIT 1
    FOR UPDATE SKIP LOCKED
) j
LEFT JOIN tenants t ON t.id = j.tenant;
