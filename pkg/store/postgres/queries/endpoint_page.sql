-- $1 tenant, $2 later than this id (NULL: all), $3 status ('': any), $4 a part of the URL ('': any), $5 how many
SELECT id, tenant, url, types, filter, format, headers, headers_key_id, schedule, timeout, rate_per_second, status,
    status_reason, paused_at, paused_total, throttled_until, version, created_at, request_origin, allowed_per_minute,
    consented_at
FROM endpoints
WHERE tenant = $1 AND status <> 'deleted' AND coalesce(id > $2, true)
    AND ($3 = '' OR status = nullif($3, '')::endpoint_status)
    AND ($4 = '' OR position(lower($4) IN lower(url)) > 0)
ORDER BY id
LIMIT $5;
