-- The newest of a tenant's Ed25519 secrets that have not ended.
--
-- $1 tenant, $2 how many
SELECT s.tenant, s.endpoint, s.id, s.key_id, s.sealed
FROM endpoint_secrets s
JOIN tenants t ON t.id = s.tenant AND t.deleted_at IS NULL
JOIN endpoints e ON e.id = s.endpoint AND e.status <> 'deleted'
WHERE s.tenant = $1 AND s.kind = 'v1a' AND coalesce(s.expires_at > clock_timestamp(), true)
ORDER BY s.created_at DESC, s.id DESC
LIMIT $2;
