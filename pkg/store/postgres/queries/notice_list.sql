-- The notices that were not passed on yet, oldest first.
--
-- $1 how many
SELECT id, at, kind, tenant, endpoint, delivery, event, reason, attempts, succeeded
FROM notices
WHERE told_at IS NULL
ORDER BY at
LIMIT $1;
