-- Looks at the next events after an id for those that an endpoint has no delivery of; otherwise like
-- job_replay_walk.sql. A delivery has the millisecond of its event.
--
-- $1 tenant, $2 after this id, $3 before this id, $4 rows to look at, $5 rows to return, $6 endpoint
WITH walked AS MATERIALIZED (
    SELECT id, tenant, origin
    FROM events
    WHERE id > $2 AND id < $3
    ORDER BY id
    LIMIT $4
), found AS (
    SELECT w.id
    FROM walked w
    WHERE w.tenant = $1 AND w.origin IS NULL AND NOT EXISTS (
        SELECT FROM deliveries d
        WHERE d.id >= (left(w.id::text, 13) || '-0000-0000-000000000000')::uuid
            AND d.id <= (left(w.id::text, 13) || '-ffff-ffff-ffffffffffff')::uuid
            AND d.event_id = w.id AND d.endpoint_id = $6)
    ORDER BY w.id
    LIMIT $5
)
SELECT (SELECT id FROM walked ORDER BY id DESC LIMIT 1), (SELECT count(*) FROM walked), NULL::uuid, f.id, $6::uuid,
    e.there IS NOT NULL, e.source, e.ce_id, e.type, e.subject, e.ce_time, e.data_type, e.data_schema, e.extensions
FROM (SELECT) one
LEFT JOIN found f ON true
LEFT JOIN LATERAL (
    SELECT true AS there, v.source, v.ce_id, v.type, v.subject, v.ce_time, v.data_type, v.data_schema, v.extensions
    FROM events v
    WHERE v.id = f.id AND v.erased_at IS NULL
    LIMIT 1
) e ON true
ORDER BY f.id;
