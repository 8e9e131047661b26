-- What is known of an endpoint besides its settings. Deliveries that wait are counted up to a bound.
--
-- $1 endpoint, $2 tenant, $3 how many deliveries are counted
SELECT e.status_at, h.last_success_at, h.last_failure_at, h.failure_delivery, h.failure_outcome, h.failure_status,
    h.failing_since, counted_until(),
    (SELECT count(*) FROM (
        SELECT FROM deliveries d WHERE d.endpoint_id = e.id AND d.wake_at IS NOT NULL LIMIT $3
    ) waiting)
FROM endpoints e
LEFT JOIN endpoint_health h ON h.endpoint = e.id
WHERE e.id = $1 AND e.tenant = $2;
