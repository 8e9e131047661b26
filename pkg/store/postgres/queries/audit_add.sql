-- $1 id, $2 tenant, $3 API key, $4 its name, $5 action, $6 target, $7 before, $8 after
INSERT INTO audit_log (id, tenant, actor, actor_name, action, target, before, after)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);
