-- Counts what was recorded in a slice of time, and notes what was seen last of each endpoint.
--
-- $1-$2 the slice (the end is not in it), $3 the width of slices, $4-$5 first and last id that an event accepted in it
-- may have
--
-- Attempts are found by the time of their recording. Whose they are is looked up by the key of their delivery, one by
-- one (OFFSET 0 keeps the planner from joining the tables as a whole, for it cannot know how short the slice is).
WITH seen AS MATERIALIZED (
    SELECT d.tenant, d.endpoint_id AS endpoint, a.outcome,
        CASE WHEN a.outcome NOT IN ('interrupted', 'unsent') AND a.total_us > 0
            THEN floor(8 * ln(a.total_us::double precision) / ln(2::double precision))::integer END AS cell,
        count(*) AS n, count(*) FILTER (WHERE a.outcome = 'success' AND d.state = 'succeeded') AS succeeded,
        max(a.recorded_at) FILTER (WHERE a.outcome = 'success') AS success_at,
        -- The last one, as the greatest of texts that begin with the time.
        max(ARRAY[to_char(a.recorded_at, 'YYYY-MM-DD HH24:MI:SS.USOF'), d.id::text, a.outcome, a.status::text])
            FILTER (WHERE a.outcome NOT IN ('success', 'interrupted', 'unsent')) AS failure
    FROM attempts a
    CROSS JOIN LATERAL (SELECT id, tenant, endpoint_id, state FROM deliveries WHERE id = a.delivery_id OFFSET 0) d
    WHERE a.recorded_at >= $1::timestamptz AND a.recorded_at < $2::timestamptz
    GROUP BY d.tenant, d.endpoint_id, a.outcome, cell
), noted AS (
    INSERT INTO endpoint_health AS h (endpoint, tenant, last_success_at, last_failure_at, failure_delivery,
        failure_outcome, failure_status)
    SELECT s.endpoint, s.tenant, s.success_at, s.failure[1]::timestamptz, s.failure[2]::uuid, s.failure[3],
        s.failure[4]::integer
    FROM (SELECT endpoint, tenant, max(success_at) AS success_at, max(failure) AS failure FROM seen GROUP BY 1, 2) s
    ON CONFLICT (endpoint) DO UPDATE SET
        last_success_at = greatest(h.last_success_at, excluded.last_success_at),
        last_failure_at = greatest(h.last_failure_at, excluded.last_failure_at),
        failure_delivery = CASE WHEN coalesce(excluded.last_failure_at > h.last_failure_at, h.last_failure_at IS NULL)
            THEN excluded.failure_delivery ELSE h.failure_delivery END,
        failure_outcome = CASE WHEN coalesce(excluded.last_failure_at > h.last_failure_at, h.last_failure_at IS NULL)
            THEN excluded.failure_outcome ELSE h.failure_outcome END,
        failure_status = CASE WHEN coalesce(excluded.last_failure_at > h.last_failure_at, h.last_failure_at IS NULL)
            THEN excluded.failure_status ELSE h.failure_status END
), parts AS MATERIALIZED (
    SELECT tenant, endpoint, outcome, cell, n, succeeded, 0 AS exhausted FROM seen
    UNION ALL
    SELECT tenant, endpoint, NULL, NULL, 0, 0, count(*)
    FROM notices
    WHERE at >= $1::timestamptz AND at < $2::timestamptz AND kind = 'delivery.exhausted'
    GROUP BY tenant, endpoint
), every AS MATERIALIZED (
    SELECT tenant, endpoint, outcome, cell, n, succeeded, exhausted, 0 AS events FROM parts
    UNION ALL
    SELECT tenant, '00000000-0000-0000-0000-000000000000'::uuid, outcome, cell, n, succeeded, exhausted, 0 FROM parts
    UNION ALL
    SELECT tenant, '00000000-0000-0000-0000-000000000000'::uuid, NULL, NULL, 0, 0, 0, count(*)
    FROM events
    WHERE id >= $4::uuid AND id <= $5::uuid AND accepted_at >= $1::timestamptz AND accepted_at < $2::timestamptz
        AND origin IS NULL
    GROUP BY tenant
