-- Deliveries that ended without success, newest first.
-- They are gathered from all endpoints that may have some, as many as the page has from each, with the index that each
-- has for them (compared as pairs: see delivery_list_endpoint.sql).
--
-- $1 tenant, $2 older than this id, $3 state ('': any), $4 how many, $5 from this id on (NULL: to the oldest),
-- $6 endpoint (NULL: all of the tenant)
SELECT d.*
FROM endpoints e
CROSS JOIN LATERAL (
    SELECT id, tenant, event_id, endpoint_id, state, reason, attempt_no, interruptions, due_at, started_at, lease_until,
        wake_at, expires_at, replay_of
    FROM deliveries
    WHERE endpoint_id = e.id AND reason IS NOT NULL AND tenant = $1 AND (endpoint_id, id) < (e.id, $2::uuid)
        AND (endpoint_id, id) >= (e.id, coalesce($5::uuid, '00000000-0000-0000-0000-000000000000'::uuid))
        AND ($3 = '' OR state = nullif($3, '')::delivery_state)
    ORDER BY id DESC
    LIMIT $4
) d
WHERE e.tenant = $1 AND ($6::uuid IS NULL OR e.id = $6)
ORDER BY d.id DESC
LIMIT $4;
