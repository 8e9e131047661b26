-- What was changed, newest first.
--
-- $1 tenant, $2 whether every tenant, $3 target ('': any), $4 older than this id, $5 how many
SELECT id, tenant, at, actor, actor_name, action, target, before, after
FROM audit_log
WHERE (tenant = $1 OR $2) AND ($3 = '' OR target = $3) AND id < $4
ORDER BY id DESC
LIMIT $5;
