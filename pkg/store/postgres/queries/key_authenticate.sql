-- $1 hash
SELECT k.id, k.tenant, k.name, t.config_version, k.created_at, k.expires_at
FROM api_keys k
JOIN tenants t ON t.id = k.tenant
WHERE k.hash = $1 AND k.revoked_at IS NULL AND coalesce(k.expires_at > clock_timestamp(), true);
