-- Makes an endpoint active, as endpoint_set_status.sql does.
--
-- $1 id, $2 tenant
UPDATE endpoints e SET
    status = 'active',
    status_reason = '',
    paused_at = NULL,
    paused_total = e.paused_total + CASE WHEN e.status = 'paused' THEN clock.now - e.paused_at ELSE '0' END,
    wake_at = clock.now,
    version = e.version + 1
FROM (SELECT clock_timestamp() AS now) clock
WHERE e.id = $1 AND e.tenant = $2;
