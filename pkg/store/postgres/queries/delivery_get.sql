-- $1 id, $2 tenant
SELECT id, tenant, event_id, endpoint_id, state, reason, attempt_no, interruptions, due_at, started_at, lease_until,
    wake_at, expires_at, replay_of
FROM deliveries
WHERE id = $1 AND tenant = $2;
