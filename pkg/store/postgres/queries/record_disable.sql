-- Disables an endpoint that nobody has changed since the claim, tells of it, and moves its tenant's configuration
-- version on.
--
-- $1 endpoint, $2 tenant, $3 version seen, $4 reason
WITH disabled AS (
    UPDATE endpoints SET status = 'disabled', status_reason = $4, version = version + 1, wake_at = NULL,
        status_at = clock_timestamp()
    WHERE id = $1 AND tenant = $2 AND version = $3 AND status = 'active'
    RETURNING tenant, id
), told AS (
    INSERT INTO notices (kind, tenant, endpoint, reason) SELECT 'endpoint.disabled', tenant, id, $4 FROM disabled
)
UPDATE tenants t SET config_version = t.config_version + 1
FROM disabled
WHERE t.id = disabled.tenant;
