-- The deliveries to an endpoint, newest first, in the order of their index. They are compared as pairs because only that
-- index can: the primary key looks as good to a planner that knows no bounds, and would walk through everybody's.
--
-- $1 tenant, $2 older than this id, $3 state ('': any), $4 how many, $5 from this id on (NULL: to the oldest),
-- $6 how many are looked at (NULL: all), $7 endpoint
SELECT id, tenant, event_id, endpoint_id, state, reason, attempt_no, interruptions, due_at, started_at, lease_until,
    wake_at, expires_at, replay_of
FROM (
    SELECT * FROM deliveries
    WHERE endpoint_id = $7::uuid AND (endpoint_id, id) < ($7::uuid, $2::uuid)
        AND (endpoint_id, id) >= ($7::uuid, coalesce($5::uuid, '00000000-0000-0000-0000-000000000000'::uuid))
    ORDER BY id DESC
    LIMIT $6::integer
) newest
WHERE tenant = $1 AND ($3 = '' OR state = nullif($3, '')::delivery_state)
ORDER BY id DESC
LIMIT $4;
