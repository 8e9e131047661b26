-- How many deliveries are live, and for how long the oldest that could be sent has been due.
--
-- $1 how many are looked at
SELECT count(*), max(clock.now - d.due_at) FILTER (WHERE d.state = 'scheduled' AND d.due_at <= clock.now
        AND e.status = 'active' AND coalesce(e.throttled_until <= clock.now, true)
        AND clock.now - e.paused_total < d.expires_at)
FROM (SELECT clock_timestamp() AS now) clock
CROSS JOIN (
    SELECT endpoint_id, state, due_at, expires_at FROM deliveries WHERE wake_at IS NOT NULL ORDER BY wake_at LIMIT $1
) d
LEFT JOIN endpoints e ON e.id = d.endpoint_id;
