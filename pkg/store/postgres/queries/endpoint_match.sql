-- A tenant's endpoints for matching events: without headers, which ingest may not read, and consent, which is deliver's.
--
-- $1 tenant
SELECT id, tenant, url, types, filter, format, NULL::bytea, NULL::text, schedule, timeout, rate_per_second, status,
    status_reason, paused_at, paused_total, throttled_until, version, created_at, '', 0, NULL::timestamptz
FROM endpoints
WHERE tenant = $1 AND status <> 'deleted'
ORDER BY created_at, id;
