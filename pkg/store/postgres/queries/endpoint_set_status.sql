-- Moves an endpoint to a status, keeps the account of its pauses, and has the reconciler look at it when it becomes
-- active.
--
-- $1 id, $2 tenant, $3 status, $4 reason, $5 the version that it must have (0: any)
UPDATE endpoints e SET
    status = $3::text::endpoint_status,
    status_reason = $4,
    paused_at = CASE WHEN $3 = 'paused' THEN coalesce(e.paused_at, clock.now) END,
    paused_total = e.paused_total
        + CASE WHEN $3 <> 'paused' AND e.status = 'paused' THEN clock.now - e.paused_at ELSE '0' END,
    wake_at = CASE WHEN $3 = 'active' THEN clock.now END,
    version = e.version + 1,
    status_at = CASE WHEN e.status = $3::text::endpoint_status THEN e.status_at ELSE clock.now END,
    deleted_at = CASE WHEN $3 = 'deleted' THEN clock.now END
FROM (SELECT clock_timestamp() AS now) clock
WHERE e.id = $1 AND e.tenant = $2 AND e.status <> 'deleted' AND ($5::bigint = 0 OR e.version = $5);
