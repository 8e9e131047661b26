-- An endpoint's Ed25519 secrets that have not ended, newest first, whoever's it is.
--
-- $1 endpoint
SELECT e.tenant, s.endpoint, s.id, s.key_id, s.sealed
FROM endpoints e
JOIN tenants t ON t.id = e.tenant AND t.deleted_at IS NULL
JOIN endpoint_secrets s ON s.endpoint = e.id AND coalesce(s.expires_at > clock_timestamp(), true)
WHERE e.id = $1 AND e.status <> 'deleted' AND s.kind = 'v1a'
ORDER BY s.created_at DESC, s.id DESC;
