-- Looks at the next deliveries of an endpoint after an id for those to replay, a bounded number of rows in the order of
-- its index; otherwise like job_replay_walk.sql. They are compared as pairs because only that index can: see
-- delivery_list_endpoint.sql. Replays are passed by: else their event would go out twice.
--
-- $1 tenant, $2 after this id, $3 before this id, $4 rows to look at, $5 rows to return, $6 states, $7 endpoint
WITH walked AS MATERIALIZED (
    SELECT id, tenant, event_id, endpoint_id, state, replay_of
    FROM deliveries
    WHERE endpoint_id = $7::uuid AND (endpoint_id, id) > ($7::uuid, $2::uuid) AND (endpoint_id, id) < ($7::uuid, $3::uuid)
    ORDER BY id
    LIMIT $4
), found AS (
    SELECT id, event_id, endpoint_id
    FROM walked
    WHERE tenant = $1 AND state = ANY ($6::text[]::delivery_state[]) AND replay_of IS NULL
    ORDER BY id
    LIMIT $5
)
SELECT (SELECT id FROM walked ORDER BY id DESC LIMIT 1), (SELECT count(*) FROM walked), f.id, f.event_id, f.endpoint_id,
    e.there IS NOT NULL, e.source, e.ce_id, e.type, e.subject, e.ce_time, e.data_type, e.data_schema, e.extensions
FROM (SELECT) one
LEFT JOIN found f ON true
LEFT JOIN LATERAL (
    SELECT true AS there, v.source, v.ce_id, v.type, v.subject, v.ce_time, v.data_type, v.data_schema, v.extensions
    FROM events v
    WHERE v.id = f.event_id AND v.erased_at IS NULL
    LIMIT 1 -- keeps this a lookup for each row, in the one partition that has it
) e ON true
ORDER BY f.id;
