-- Cancels what is held for an endpoint and was accepted before a moment, and returns how many that were.
--
-- $1 endpoint, $2 tenant, $3 the moment, $4 how many, $5 reason
WITH held AS MATERIALIZED (
    SELECT array_agg(d.id ORDER BY d.id) AS ids
    FROM (
        SELECT c.id
        FROM deliveries c
        WHERE c.endpoint_id = $1 AND c.tenant = $2 AND c.wake_at IS NOT NULL AND c.state = 'scheduled'
            -- By when it was accepted, on the database's clock: ids are made by others, somewhat before.
            AND coalesce((SELECT e.accepted_at FROM events e WHERE e.id = c.event_id LIMIT 1) < $3, true)
        ORDER BY c.due_at
        LIMIT $4
        FOR UPDATE OF c
    ) d
), dropped AS (
    UPDATE deliveries d SET state = 'cancelled', reason = $5, wake_at = NULL, lease_until = NULL
    WHERE d.id = ANY ((SELECT ids FROM held)::uuid[])
        AND d.id >= (SELECT ids[1] FROM held) AND d.id <= (SELECT ids[cardinality(ids)] FROM held)
    RETURNING 1
)
SELECT count(*) FROM dropped;
