-- The deliveries to an endpoint, newest first.
--
-- There is no index for this one and for a tenant's list: measured, one on (endpoint_id, id) adds some 225 bytes of WAL
-- (8 %) and a tenth of the CPU time to every delivery. So they walk the primary key backwards until the page is full;
-- a list that matches few deliveries of a busy system is slow.
--
-- $1 tenant, $2 older than this id, $3 state ('': any), $4 how many, $5 endpoint,
-- $6 from this id on (NULL: to the oldest)
SELECT id, tenant, event_id, endpoint_id, state, reason, attempt_no, interruptions, due_at, started_at, lease_until,
    wake_at, expires_at, replay_of
FROM deliveries
WHERE endpoint_id = $5 AND tenant = $1 AND id < $2 AND id >= coalesce($6, '00000000-0000-0000-0000-000000000000'::uuid)
    AND ($3 = '' OR state = nullif($3, '')::delivery_state)
ORDER BY id DESC
LIMIT $4;
