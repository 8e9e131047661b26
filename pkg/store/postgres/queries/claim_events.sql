-- The claims, each event's columns on the first delivery of the event only, and payloads (oldest first) while they fit.
, numbered AS (
    SELECT *, row_number() OVER (PARTITION BY event_id ORDER BY id) AS nth FROM claimed
), weighed AS (
    SELECT c.*, ev.*, sum(octet_length(ev.data)) OVER (ORDER BY c.id) AS bytes
    FROM numbered c
    LEFT JOIN LATERAL (
        SELECT v.source, v.ce_id, v.type, v.subject, v.ce_time, v.data_type, v.data_schema, v.extensions,
            v.trace_parent, v.trace_state, v.origin, v.accepted_at, v.data
        FROM events v
        WHERE v.id = c.event_id AND c.nth = 1
        LIMIT 1 -- keeps this a lookup for each row, in the one partition that has it
    ) ev ON true
)
SELECT id, endpoint_id, attempt_no, NULL::interval AS not_due_in, tenant, event_id, interruptions, due_at, started_at,
    lease_until, wake_at, expires_at, replay_of, source, ce_id, type, subject, ce_time, data_type, data_schema,
    extensions, trace_parent, trace_state, origin, accepted_at, data IS NOT NULL AND bytes > $1::bigint AS left_out,
    CASE WHEN bytes <= $1::bigint THEN data END AS data
FROM weighed
