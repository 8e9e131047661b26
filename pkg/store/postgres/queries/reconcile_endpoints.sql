-- Looks at the endpoints whose wake time has passed and says which of them have work now. An open endpoint sleeps until
-- its next delivery is due, or for a grace while one is; a throttled one until the throttle ends; every other one,
-- and one without scheduled deliveries, for good.
--
-- $1 how many (one beyond them is only reported), $2 grace
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() AS now
), waking AS MATERIALIZED (
    SELECT e.id, e.status, e.throttled_until, e.paused_total
    FROM endpoints e, clock
    WHERE e.wake_at IS NOT NULL AND e.wake_at <= clock.now
    ORDER BY e.id
    LIMIT $1::integer + 1
    FOR UPDATE OF e SKIP LOCKED
), looked AS (
    SELECT w.id, row_number() OVER (ORDER BY w.id) > $1::integer AS beyond,
        w.status = 'active' AND w.throttled_until > clock.now AS throttled, w.throttled_until, next.due_at,
        coalesce(next.due_at <= clock.now, false) AS due
    FROM waking w
    CROSS JOIN clock
    LEFT JOIN LATERAL (
        SELECT d.due_at
        FROM deliveries d
        WHERE d.endpoint_id = w.id AND d.wake_at IS NOT NULL AND d.state = 'scheduled'
            AND clock.now - w.paused_total < d.expires_at
            AND w.status = 'active' AND coalesce(w.throttled_until <= clock.now, true)
        ORDER BY d.due_at
        LIMIT 1
    ) next ON true
), put_off AS (
    UPDATE endpoints e SET wake_at = CASE
        WHEN l.throttled THEN l.throttled_until
        WHEN l.due_at IS NOT NULL THEN greatest(l.due_at, clock.now) + $2::interval END
    FROM looked l, clock
    WHERE e.id = l.id AND NOT l.beyond
)
SELECT id, beyond, due AND NOT beyond FROM looked;
