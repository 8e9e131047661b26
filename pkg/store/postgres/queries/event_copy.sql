-- Copies an event. The copy names the event that was accepted first.
--
-- $1 new id, $2 now, $3 old id, $4 tenant
INSERT INTO events (id, accepted_at, origin, tenant, source, ce_id, type, subject, ce_time, data_type, data_schema,
    extensions, trace_parent, trace_state, data)
SELECT $1, $2, coalesce(origin, id), tenant, source, ce_id, type, subject, ce_time, data_type, data_schema, extensions,
    trace_parent, trace_state, data
FROM events
WHERE id = $3 AND tenant = $4;
