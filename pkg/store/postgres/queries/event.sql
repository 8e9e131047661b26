-- $1 id, $2 tenant
SELECT source, ce_id, type, subject, ce_time, data_type, data_schema, extensions, trace_parent, trace_state, origin,
    accepted_at, schema_error, erased_at, data
FROM events
WHERE id = $1 AND tenant = $2;
