-- The deliveries of an event, newest first: those of its own millisecond.
--
-- $1 tenant, $2 older than this id, $3 state ('': any), $4 how many, $5 event, $6-$7 first and last id of its
-- millisecond,
-- $8 endpoint (NULL: any), $9 from this id on (NULL: to the oldest)
SELECT id, tenant, event_id, endpoint_id, state, reason, attempt_no, interruptions, due_at, started_at, lease_until,
    wake_at, expires_at, replay_of
FROM deliveries
WHERE id >= $6 AND id <= $7 AND event_id = $5 AND tenant = $1 AND id < $2 AND id >= coalesce($9, '00000000-0000-0000-0000-000000000000'::uuid)
    AND ($3 = '' OR state = nullif($3, '')::delivery_state) AND ($8::uuid IS NULL OR endpoint_id = $8)
ORDER BY id DESC
LIMIT $4;
