-- Accepts a group of events with their deliveries: one statement, one commit.
--
-- $1-$4   per event, each key once: key, id, tenant, configuration version it was matched with
-- $5      dedupe window
-- $6-$16  per event, the rest of its columns
-- $17-$23 per delivery: id, event, endpoint, tenant, due in, lifetime, wake in
-- $24     per event, where its data do not satisfy the schema of their type
--
-- Returns the keys that were taken or found, with the event that holds each and when that was accepted. A key whose
-- event was matched with an old configuration is not returned. An event is new when it holds its key since just now;
-- the time tells it from itself, accepted by an earlier call whose answer was lost.
--
-- unnest stands in the select lists, not in FROM, so that payloads are not copied into a tuplestore first. IN (…) IS
-- TRUE keeps a subquery from becoming a join: the planner cannot know how long the arrays are and would choose a nested
-- loop, quadratic in the size of the group; so it is a lookup in a hash table.
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() AS now
), fresh AS (
    SELECT i.key, i.id
    FROM (SELECT unnest($1::uuid[]) AS key, unnest($2::uuid[]) AS id,
                 unnest($3::text[]) AS tenant, unnest($4::bigint[]) AS config_version) i
    JOIN tenants t ON t.id = i.tenant AND t.config_version = i.config_version
    ORDER BY i.key -- the same order in every group, so that two groups cannot wait for each other
), taken AS (
    INSERT INTO event_keys AS k (key, event_id, accepted_at)
    SELECT fresh.key, fresh.id, clock.now FROM fresh, clock
    ON CONFLICT (key) DO UPDATE SET
        event_id = CASE WHEN k.accepted_at <= excluded.accepted_at - $5::interval
            THEN excluded.event_id ELSE k.event_id END,
        accepted_at = CASE WHEN k.accepted_at <= excluded.accepted_at - $5::interval
            THEN excluded.accepted_at ELSE k.accepted_at END
    RETURNING k.key, k.event_id, k.accepted_at
), won AS (
    SELECT event_id FROM taken WHERE accepted_at = (SELECT now FROM clock)
), inserted AS (
    INSERT INTO events (id, tenant, source, ce_id, type, subject, ce_time, data_type, data_schema, extensions,
        trace_parent, trace_state, data, schema_error, accepted_at)
    SELECT i.id, i.tenant, i.source, i.ce_id, i.type, i.subject, i.ce_time, i.data_type, i.data_schema, i.extensions,
        i.trace_parent, i.trace_state, i.data, i.schema_error, (SELECT now FROM clock)
    FROM (SELECT unnest($2::uuid[]) AS id, unnest($3::text[]) AS tenant, unnest($6::text[]) AS source,
                 unnest($7::text[]) AS ce_id, unnest($8::text[]) AS type, unnest($9::text[]) AS subject,
                 unnest($10::timestamptz[]) AS ce_time, unnest($11::text[]) AS data_type,
                 unnest($12::text[]) AS data_schema, unnest($13::jsonb[]) AS extensions,
                 unnest($14::text[]) AS trace_parent, unnest($15::text[]) AS trace_state,
                 unnest($16::bytea[]) AS data, unnest($24::text[]) AS schema_error) i
    WHERE (i.id IN (SELECT event_id FROM won)) IS TRUE
), planned AS (
    INSERT INTO deliveries (id, event_id, endpoint_id, due_at, wake_at, expires_at, state, attempt_no, interruptions,
        tenant)
    SELECT i.id, i.event_id, e.id, clock.now + i.due_in, clock.now + i.wake_in,
        -- On the endpoint's running clock, which stands still while it is paused.
        CASE WHEN e.status = 'paused' THEN e.paused_at ELSE clock.now END - e.paused_total + i.lifetime,
        'scheduled', 0, 0, i.tenant
    FROM (SELECT unnest($17::uuid[]) AS id, unnest($18::uuid[]) AS event_id, unnest($19::uuid[]) AS endpoint_id,
                 unnest($20::text[]) AS tenant, unnest($21::interval[]) AS due_in,
                 unnest($22::interval[]) AS lifetime, unnest($23::interval[]) AS wake_in) i
    JOIN endpoints e ON e.id = i.endpoint_id AND e.tenant = i.tenant AND e.status <> 'deleted'
    CROSS JOIN clock
    WHERE (i.event_id IN (SELECT event_id FROM won)) IS TRUE
)
SELECT taken.key, taken.event_id, taken.accepted_at, taken.accepted_at = clock.now AS new
FROM taken, clock;
