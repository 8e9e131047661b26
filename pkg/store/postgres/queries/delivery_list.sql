-- A tenant's deliveries among the newest of all, newest first. A full page is right; one that is not is looked for in
-- another way.
--
-- $1 tenant, $2 older than this id, $3 state ('': any), $4 how many, $5 from this id on (NULL: to the oldest),
-- $6 how many are looked at
SELECT id, tenant, event_id, endpoint_id, state, reason, attempt_no, interruptions, due_at, started_at, lease_until,
    wake_at, expires_at, replay_of
FROM (
    SELECT * FROM deliveries
    WHERE id < $2 AND id >= coalesce($5, '00000000-0000-0000-0000-000000000000'::uuid)
    ORDER BY id DESC
    LIMIT $6::integer
) newest
WHERE tenant = $1 AND ($3 = '' OR state = nullif($3, '')::delivery_state)
ORDER BY id DESC
LIMIT $4;
