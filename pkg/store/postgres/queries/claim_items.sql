-- Begins the next attempt of the deliveries named.
--
-- $1    bytes of payload to return at most
-- $2    timeout of an attempt where the endpoint has none of its own
-- $3    by how much the lease outlives it
-- $4-$6 per item, sorted by delivery and each delivery once: delivery, endpoint, attempts that the hint has seen
-- $7    wake grace: a wake time that was put off farther comes back to the lease and this
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() AS now
), claimed AS (
    UPDATE deliveries d SET
        state = 'attempting',
        attempt_no = d.attempt_no + 1,
        started_at = clock.now,
        lease_until = clock.now + coalesce(nullif(e.timeout, '0'), $2::interval) + $3::interval,
        -- Unchanged for an attempt made in time, so that this is a heap-only update. A wake time that is far off,
        -- because the endpoint was held, comes back to the lease.
        wake_at = greatest(clock.now + coalesce(nullif(e.timeout, '0'), $2::interval) + $3::interval,
            least(d.wake_at, clock.now + coalesce(nullif(e.timeout, '0'), $2::interval) + $3::interval + $7::interval))
    FROM endpoints e, clock
    WHERE d.id = ANY ($4::uuid[]) AND d.id >= ($4::uuid[])[1] AND d.id <= ($4::uuid[])[cardinality($4::uuid[])]
        AND d.state = 'scheduled' AND d.due_at <= clock.now
        AND d.endpoint_id = ($5::uuid[])[width_bucket(d.id, $4::uuid[])]
        AND d.attempt_no = ($6::integer[])[width_bucket(d.id, $4::uuid[])]
        AND e.id = d.endpoint_id AND e.status = 'active'
        AND coalesce(e.throttled_until <= clock.now, true)
        AND clock.now - e.paused_total < d.expires_at
    RETURNING d.id, d.tenant, d.event_id, d.endpoint_id, d.attempt_no, d.interruptions, d.due_at, d.started_at,
        d.lease_until, d.wake_at, d.expires_at, d.replay_of
)
