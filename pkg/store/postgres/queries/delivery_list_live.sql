-- Deliveries that are live, newest first. Those of an endpoint are read all, in the order in which they are due
-- (OFFSET 0 keeps the planner from walking through everything that has ended instead), and sorted.
-- They are gathered from all endpoints that may have some, as many as the page has from each, with the index that each
-- has for them.
--
-- $1 tenant, $2 older than this id, $3 state ('': any), $4 how many, $5 from this id on (NULL: to the oldest),
-- $6 endpoint (NULL: all of the tenant)
SELECT d.*
FROM endpoints e
CROSS JOIN LATERAL (
    SELECT id, tenant, event_id, endpoint_id, state, reason, attempt_no, interruptions, due_at, started_at, lease_until,
        wake_at, expires_at, replay_of
    FROM (
        SELECT * FROM deliveries WHERE endpoint_id = e.id AND wake_at IS NOT NULL OFFSET 0
    ) live
    WHERE tenant = $1 AND id < $2 AND id >= coalesce($5, '00000000-0000-0000-0000-000000000000'::uuid)
        AND ($3 = '' OR state = nullif($3, '')::delivery_state)
    ORDER BY id DESC
    LIMIT $4
) d
WHERE e.tenant = $1 AND ($6::uuid IS NULL OR e.id = $6)
ORDER BY d.id DESC
LIMIT $4;
