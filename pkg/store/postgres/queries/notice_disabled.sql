-- Tells that an endpoint is about to be disabled by hand, unless it is already.
--
-- $1 id, $2 tenant, $3 reason
INSERT INTO notices (kind, tenant, endpoint, reason)
SELECT 'endpoint.disabled', tenant, id, $3 FROM endpoints
WHERE id = $1 AND tenant = $2 AND status NOT IN ('disabled', 'deleted')
FOR UPDATE;
