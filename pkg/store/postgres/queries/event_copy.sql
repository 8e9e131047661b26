-- Copies an event whose payload is there. The copy names the event that was accepted first. The row that is copied is
-- locked, so that it is not erased before the copy can be found.
--
-- $1 new id, $2 now, $3 old id, $4 tenant
INSERT INTO events (id, accepted_at, origin, tenant, source, ce_id, type, subject, ce_time, data_type, data_schema,
    extensions, trace_parent, trace_state, schema_error, data)
SELECT $1, $2, coalesce(origin, id), tenant, source, ce_id, type, subject, ce_time, data_type, data_schema, extensions,
    trace_parent, trace_state, schema_error, data
FROM events
WHERE id = $3 AND tenant = $4 AND erased_at IS NULL
FOR SHARE;
