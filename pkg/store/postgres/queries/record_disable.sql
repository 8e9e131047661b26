-- Disables an endpoint that nobody has changed since the claim, and moves its tenant's configuration version on.
--
-- $1 endpoint, $2 tenant, $3 version seen, $4 reason
WITH disabled AS (
    UPDATE endpoints SET status = 'disabled', status_reason = $4, version = version + 1, wake_at = NULL
    WHERE id = $1 AND tenant = $2 AND version = $3 AND status = 'active'
    RETURNING tenant
)
UPDATE tenants t SET config_version = t.config_version + 1
FROM disabled
WHERE t.id = disabled.tenant;
