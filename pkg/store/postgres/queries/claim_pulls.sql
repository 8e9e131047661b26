-- Begins the next attempt of the deliveries of some endpoints that have been due for the longest time.
--
-- $1    bytes of payload to return at most
-- $2    timeout of an attempt where the endpoint has none of its own
-- $3    by how much the lease outlives it
-- $4-$5 per endpoint: its id, how many deliveries
-- $6    wake grace: a wake time that was put off farther comes back to the lease and this
--
-- The rows are chosen and locked first; those that somebody else is at are passed over.
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() AS now
), pulled AS MATERIALIZED (
    SELECT array_agg(d.id ORDER BY d.id) AS ids
    FROM (SELECT unnest($4::uuid[]) AS endpoint_id, unnest($5::integer[]) AS most) p
    CROSS JOIN clock
    JOIN endpoints e ON e.id = p.endpoint_id AND e.status = 'active' AND coalesce(e.throttled_until <= clock.now, true)
    CROSS JOIN LATERAL (
        SELECT c.id
        FROM deliveries c
        WHERE c.endpoint_id = p.endpoint_id AND c.wake_at IS NOT NULL AND c.due_at <= clock.now
            AND c.state = 'scheduled' AND clock.now - e.paused_total < c.expires_at
        ORDER BY c.due_at
        LIMIT p.most
        FOR UPDATE SKIP LOCKED
    ) d
), claimed AS (
    UPDATE deliveries d SET
        state = 'attempting',
        attempt_no = d.attempt_no + 1,
        started_at = clock.now,
        lease_until = clock.now + coalesce(nullif(e.timeout, '0'), $2::interval) + $3::interval,
        -- Unchanged for an attempt made in time, so that this is a heap-only update. A wake time that is far off,
        -- because the endpoint was held, comes back to the lease.
        wake_at = greatest(clock.now + coalesce(nullif(e.timeout, '0'), $2::interval) + $3::interval,
            least(d.wake_at, clock.now + coalesce(nullif(e.timeout, '0'), $2::interval) + $3::interval + $6::interval))
    FROM endpoints e, clock
    WHERE d.id = ANY ((SELECT ids FROM pulled)::uuid[])
        AND d.id >= (SELECT ids[1] FROM pulled) AND d.id <= (SELECT ids[cardinality(ids)] FROM pulled)
        AND e.id = d.endpoint_id
    RETURNING d.id, d.tenant, d.event_id, d.endpoint_id, d.attempt_no, d.interruptions, d.due_at, d.started_at,
        d.lease_until, d.wake_at, d.expires_at, d.replay_of
)
