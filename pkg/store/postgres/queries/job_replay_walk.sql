-- Looks at the next deliveries after an id for those to replay. It walks the primary key, a bounded number of rows, also
-- for one endpoint, which has an index since 0006: see decision 10. A replay is replayed only when its event is named:
-- else its event would go out twice.
--
-- $1 tenant, $2 after this id, $3 before this id, $4 rows to look at, $5 rows to return, $6 states, $7 endpoint (NULL:
-- any), $8 event (NULL: any)
--
-- Returns at least one row: where it came to (NULL: nowhere) and how many rows it looked at stand in each.
WITH walked AS MATERIALIZED (
    SELECT id, tenant, event_id, endpoint_id, state, replay_of
    FROM deliveries
    WHERE id > $2 AND id < $3
    ORDER BY id
    LIMIT $4
), found AS (
    SELECT id, event_id, endpoint_id
    FROM walked
    WHERE tenant = $1 AND state = ANY ($6::text[]::delivery_state[]) AND ($7::uuid IS NULL OR endpoint_id = $7)
        AND CASE WHEN $8::uuid IS NULL THEN replay_of IS NULL ELSE event_id = $8 END
    ORDER BY id
    LIMIT $5
)
SELECT (SELECT id FROM walked ORDER BY id DESC LIMIT 1), (SELECT count(*) FROM walked), f.id, f.event_id, f.endpoint_id,
    e.source, e.ce_id, e.type, e.subject, e.ce_time, e.data_type, e.data_schema, e.extensions
FROM (SELECT) one
LEFT JOIN found f ON true
LEFT JOIN LATERAL (
    SELECT v.source, v.ce_id, v.type, v.subject, v.ce_time, v.data_type, v.data_schema, v.extensions
    FROM events v
    WHERE v.id = f.event_id
    LIMIT 1 -- keeps this a lookup for each row, in the one partition that has it
) e ON true
ORDER BY f.id;
