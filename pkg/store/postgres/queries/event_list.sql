-- A tenant's events, newest first, without their payloads, in the order of their index (compared as
-- pairs: see delivery_list_endpoint.sql). With a type or a subject it walks
-- on until the page is full.
--
-- $1 tenant, $2 older than this id, $3 from this id on (NULL: to the oldest), $4 type ('': any), $5 subject ('': any),
-- $6 how many
SELECT id, source, ce_id, type, subject, ce_time, data_type, data_schema, extensions, trace_parent, trace_state, origin,
    accepted_at, schema_error, erased_at
FROM events
WHERE tenant = $1::text AND (tenant, id) < ($1::text, $2::uuid)
    AND (tenant, id) >= ($1::text, coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'::uuid))
    AND ($4 = '' OR type = $4) AND ($5 = '' OR subject = $5)
ORDER BY id DESC
LIMIT $6;
