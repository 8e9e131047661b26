-- A tenant's jobs, newest first.
--
-- $1 tenant, $2 kind ('': any), $3 state ('': any), $4 older than this id, $5 how many
SELECT id, tenant, kind, spec, state, stage, cursor, done, total, total_exact, per_second, error, created_by,
    wake_at, created_at, updated_at, finished_at
FROM jobs
WHERE tenant = $1 AND ($2 = '' OR kind = $2) AND ($3 = '' OR state = $3) AND id < $4
ORDER BY id DESC
LIMIT $5;
