-- A tenant's keys, oldest first.
--
-- $1 tenant ('': operators'), $2 later than this id (NULL: all), $3 how many
SELECT id, kind, coalesce(tenant, ''), name, scopes, created_at, expires_at, revoked_at, last_used_at
FROM api_keys
WHERE (tenant = $1 OR $1 = '' AND tenant IS NULL) AND coalesce(id > $2, true)
ORDER BY id
LIMIT $3;
