-- The endpoints of a claim: their status, and everything else of those whose version is not the one in memory.
--
-- $1-$2 per endpoint, sorted and each once: its id, the version in memory (0: none)
SELECT e.id, clock.now, e.tenant, e.status, e.throttled_until, e.version, c.changed, w.url, w.types, w.filter, w.format,
    w.headers, w.headers_key_id, w.schedule, w.timeout, w.rate_per_second, w.status_reason, w.paused_at,
    w.paused_total, w.created_at, w.request_origin, w.allowed_per_minute, w.consented_at, s.ids, s.kinds, s.key_ids, s.sealed, s.created, s.expires
FROM (SELECT clock_timestamp() AS now) clock
CROSS JOIN endpoints e
CROSS JOIN LATERAL (SELECT e.version <> ($2::bigint[])[width_bucket(e.id, $1::uuid[])] AS changed) c
LEFT JOIN LATERAL (
    SELECT e.url, e.types, e.filter, e.format, e.headers, e.headers_key_id, e.schedule, e.timeout, e.rate_per_second,
        e.status_reason, e.paused_at, e.paused_total, e.created_at, e.request_origin, e.allowed_per_minute, e.consented_at
    WHERE c.changed
) w ON true
LEFT JOIN LATERAL (
    SELECT array_agg(x.id) AS ids, array_agg(x.kind) AS kinds, array_agg(x.key_id) AS key_ids,
        array_agg(x.sealed) AS sealed, array_agg(x.created_at) AS created, array_agg(x.expires_at) AS expires
    FROM (
        SELECT es.id, es.kind, es.key_id, es.sealed, es.created_at, es.expires_at
        FROM endpoint_secrets es
        WHERE c.changed AND es.endpoint = e.id AND coalesce(es.expires_at > clock.now, true)
        ORDER BY es.created_at DESC, es.id DESC
    ) x
) s ON true
WHERE e.id = ANY ($1::uuid[]);
