-- $1 id, $2 tenant, $3 kind, $4 spec, $5 its endpoint, $6 cursor, $7 total, $8 whether exact, $9 rows per second,
-- $10 API key
INSERT INTO jobs (id, tenant, kind, spec, endpoint, state, cursor, total, total_exact, per_second, created_by, wake_at)
VALUES ($1, $2, $3, $4, $5, 'running', $6, $7, $8, $9, $10, clock_timestamp());
