-- How many deliveries are live, for how long the oldest that could be sent has been due, and how many endpoints are
-- active, failing, paused and disabled.
--
-- $1 how many are looked at
WITH health AS (
    SELECT count(*) FILTER (WHERE e.status = 'active' AND h.failing_since IS NULL) AS active,
        count(*) FILTER (WHERE e.status = 'active' AND h.failing_since IS NOT NULL) AS failing,
        count(*) FILTER (WHERE e.status = 'paused') AS paused, count(*) FILTER (WHERE e.status = 'disabled') AS disabled
    FROM endpoints e
    LEFT JOIN endpoint_health h ON h.endpoint = e.id
)
SELECT l.live, l.oldest, health.active, health.failing, health.paused, health.disabled
FROM health
CROSS JOIN (
    SELECT count(*) AS live, max(clock.now - d.due_at) FILTER (WHERE d.state = 'scheduled' AND d.due_at <= clock.now
            AND e.status = 'active' AND coalesce(e.throttled_until <= clock.now, true)
            AND clock.now - e.paused_total < d.expires_at) AS oldest
    FROM (SELECT clock_timestamp() AS now) clock
    CROSS JOIN (
        SELECT endpoint_id, state, due_at, expires_at FROM deliveries WHERE wake_at IS NOT NULL ORDER BY wake_at LIMIT $1
    ) d
    LEFT JOIN endpoints e ON e.id = d.endpoint_id
) l;
