-- Begins the erasure of a tenant, or has one go on that failed.
--
-- $1 id, $2 tenant, $3 API key
INSERT INTO jobs AS j (id, tenant, kind, spec, state, total, total_exact, per_second, created_by, wake_at)
VALUES ($1, $2, 'erase_tenant', '{}', 'running', -1, false, 0, $3, clock_timestamp())
ON CONFLICT (tenant) WHERE kind = 'erase_tenant' DO UPDATE SET
    state = 'running', wake_at = clock_timestamp(), failures = 0, error = '', updated_at = clock_timestamp(),
    finished_at = NULL
WHERE j.state = 'failed';
