-- What was seen of endpoints that are deleted or have been silent for long.
--
-- $1 age, $2 how many
DELETE FROM endpoint_health WHERE endpoint IN (
    SELECT h.endpoint
    FROM endpoint_health h
    LEFT JOIN endpoints e ON e.id = h.endpoint
    WHERE coalesce(e.status = 'deleted', true)
        OR greatest(h.last_success_at, h.last_failure_at) < clock_timestamp() - $1::interval
    LIMIT $2);
