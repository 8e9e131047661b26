-- $1 id, $2 tenant ('': an operator's)
SELECT id, kind, coalesce(tenant, ''), name, scopes, created_at, expires_at, revoked_at, last_used_at
FROM api_keys
WHERE id = $1 AND coalesce(tenant, '') = $2;
