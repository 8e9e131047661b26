-- $1 tenant
SELECT id, tenant, url, types, filter, format, headers, headers_key_id, schedule, timeout, rate_per_second, status,
    status_reason, paused_at, paused_total, throttled_until, version, created_at, request_origin, allowed_per_minute,
    consented_at
FROM endpoints
WHERE tenant = $1 AND status <> 'deleted'
ORDER BY created_at, id;
