-- The key with a hash, unless it is over; notes that it was used. Once a minute is enough for people, and spares a write
-- with every request.
--
-- $1 hash
WITH found AS (
    SELECT k.id, k.kind, k.tenant, k.name, k.scopes, t.config_version, k.created_at, k.expires_at, k.last_used_at
    FROM api_keys k
    LEFT JOIN tenants t ON t.id = k.tenant
    WHERE k.hash = $1 AND k.revoked_at IS NULL AND coalesce(k.expires_at > clock_timestamp(), true)
        AND t.deleted_at IS NULL
), used AS (
    UPDATE api_keys k SET last_used_at = clock_timestamp()
    FROM found
    WHERE k.id = found.id AND coalesce(found.last_used_at < clock_timestamp() - interval '1 minute', true)
)
SELECT id, kind, coalesce(tenant, ''), name, scopes, coalesce(config_version, 0), created_at, expires_at FROM found;
