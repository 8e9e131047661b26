-- Accepts a group of events with their deliveries: one statement, one commit.
--
-- $1-$4   per event, each key once: key, id, tenant, configuration version it was matched with
-- $5      dedupe window
-- $6-$16  per event, the rest of its columns
-- $17-$23 per delivery: id, event, endpoint, tenant, due in, lifetime, wake in
-- $24     per event, where its data do not satisfy the schema of their type
-- $25     per delivery: 1 when its first attempt is to begin with it
-- $26-$28 timeout of an attempt where the endpoint has none of its own, by how much the lease outlives it, wake grace
--
-- Returns the keys that were taken or found, with the event that holds each and when that was accepted. A key whose
-- event was matched with an old configuration is not returned. An event is new when it holds its key since just now;
-- the time tells it from itself, accepted by an earlier call whose answer was lost. Returns also the deliveries whose
-- first attempt has begun, which are those that a claim would take.
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
    SELECT i.id, i.event_id, e.id AS endpoint_id, i.tenant, clock.now + i.due_in AS due_at,
        -- On the endpoint's running clock, which stands still while it is paused.
        CASE WHEN e.status = 'paused' THEN e.paused_at ELSE clock.now END - e.paused_total + i.lifetime AS expires_at,
        CASE WHEN begun.until IS NOT NULL THEN clock.now END AS started_at,
        begun.until AS lease_until,
        CASE WHEN begun.until IS NULL THEN clock.now + i.wake_in
            ELSE greatest(begun.until, least(clock.now + i.wake_in, begun.until + $28::interval)) END AS wake_at
    FROM (SELECT unnest($17::uuid[]) AS id, unnest($18::uuid[]) AS event_id, unnest($19::uuid[]) AS endpoint_id,
                 unnest($20::text[]) AS tenant, unnest($21::interval[]) AS due_in,
                 unnest($22::interval[]) AS lifetime, unnest($23::interval[]) AS wake_in,
                 unnest($25::integer[]) AS begin) i
    JOIN endpoints e ON e.id = i.endpoint_id AND e.tenant = i.tenant AND e.status <> 'deleted'
    CROSS JOIN clock
    CROSS JOIN LATERAL (
        SELECT CASE WHEN i.begin = 1 AND i.due_in <= '0' AND i.lifetime > '0' AND e.status = 'active'
                AND coalesce(e.throttled_until <= clock.now, true)
            THEN clock.now + coalesce(nullif(e.timeout, '0'), $26::interval) + $27::interval END AS until
    ) begun
    WHERE (i.event_id IN (SELECT event_id FROM won)) IS TRUE
), stored AS (
    INSERT INTO deliveries (id, event_id, endpoint_id, tenant, due_at, expires_at, started_at, lease_until, wake_at,
        interruptions, state, attempt_no)
    SELECT id, event_id, endpoint_id, tenant, due_at, expires_at, started_at, lease_until, wake_at, 0,
        CASE WHEN started_at IS NULL THEN 'scheduled'::delivery_state ELSE 'attempting' END,
        CASE WHEN started_at IS NULL THEN 0 ELSE 1 END
    FROM planned
)
SELECT taken.key, taken.event_id, taken.accepted_at, taken.accepted_at = clock.now AS new, NULL::timestamptz AS due_at,
    NULL::timestamptz AS lease_until, NULL::timestamptz AS wake_at, NULL::timestamptz AS expires_at
FROM taken, clock
UNION ALL
SELECT id, NULL, started_at, NULL, due_at, lease_until, wake_at, expires_at FROM planned WHERE started_at IS NOT NULL;
