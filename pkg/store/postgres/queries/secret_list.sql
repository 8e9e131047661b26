-- The secrets of an endpoint that have not ended, newest first; one row of NULLs when it has none.
--
-- $1 endpoint, $2 tenant
SELECT s.id, s.kind, s.key_id, s.sealed, s.created_at, s.expires_at
FROM endpoints e
LEFT JOIN endpoint_secrets s ON s.endpoint = e.id AND coalesce(s.expires_at > clock_timestamp(), true)
WHERE e.id = $1 AND e.tenant = $2
ORDER BY s.created_at DESC, s.id DESC;
