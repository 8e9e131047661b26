-- Looks at the next deliveries of anybody after an id for those of an event to replay: a bounded number of rows of the
-- primary key, of the event's millisecond. Those of a range of one endpoint are looked for by job_endpoint_walk.sql.
--
-- $1 tenant, $2 after this id, $3 before this id, $4 rows to look at, $5 rows to return, $6 states, $7 endpoint (NULL:
-- any), $8 event
--
-- Returns at least one row: where it came to (NULL: nowhere) and how many rows it looked at stand in each. Whether the
-- event is there, with its payload, is in the row: one that is not is no use, and is passed by.
WITH walked AS MATERIALIZED (
    SELECT id, tenant, event_id, endpoint_id, state
    FROM deliveries
    WHERE id > $2 AND id < $3
    ORDER BY id
    LIMIT $4
), found AS (
    SELECT id, event_id, endpoint_id
    FROM walked
    WHERE tenant = $1 AND state = ANY ($6::text[]::delivery_state[]) AND ($7::uuid IS NULL OR endpoint_id = $7)
        AND event_id = $8
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
