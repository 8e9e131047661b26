-- A delivery, locked, and what planning it anew needs of its endpoint.
--
-- $1 id, $2 tenant
SELECT clock_timestamp(), d.state, d.event_id, d.endpoint_id, d.attempt_no, d.due_at, e.status, e.paused_at,
    e.paused_total, e.schedule, e.timeout
FROM deliveries d
JOIN endpoints e ON e.id = d.endpoint_id
WHERE d.id = $1 AND d.tenant = $2
FOR UPDATE OF d;
