-- The live deliveries whose wake time has passed, the longest first, locked, with what deciding about them needs of
-- their endpoints. Those that somebody else is at are passed over.
--
-- $1 how many
SELECT clock.now, clock.now - pg_postmaster_start_time(), d.id, d.tenant, d.event_id, d.endpoint_id, d.state, d.reason,
    d.attempt_no, d.interruptions, d.due_at, d.started_at, d.lease_until, d.wake_at, d.expires_at, d.replay_of,
    e.status, e.paused_at, e.paused_total, e.throttled_until, e.schedule, e.timeout
FROM (SELECT clock_timestamp() AS now) clock
CROSS JOIN LATERAL (
    SELECT *
    FROM deliveries c
    WHERE c.wake_at IS NOT NULL AND c.wake_at <= clock.now
    ORDER BY c.wake_at
    LIMIT $1
    FOR UPDATE SKIP LOCKED
) d
LEFT JOIN endpoints e ON e.id = d.endpoint_id
ORDER BY d.wake_at, d.id;
