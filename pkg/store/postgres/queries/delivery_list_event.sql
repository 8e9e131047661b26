-- The deliveries of an event, newest first: those of its own millisecond.
--
-- $1 tenant, $2 older than this id, $3 state ('': any), $4 how many, $5 from this id on (NULL: to the oldest), $6 event,
-- $7-$8 first and last id of its millisecond, $9 endpoint (NULL: any)
SELECT id, tenant, event_id, endpoint_id, state, reason, attempt_no, interruptions, due_at, started_at, lease_until,
    wake_at, expires_at, replay_of
FROM deliveries
WHERE id >= $7 AND id <= $8 AND event_id = $6 AND tenant = $1 AND id < $2
    AND id >= coalesce($5, '00000000-0000-0000-0000-000000000000'::uuid)
    AND ($3 = '' OR state = nullif($3, '')::delivery_state) AND ($9::uuid IS NULL OR endpoint_id = $9)
ORDER BY id DESC
LIMIT $4;
