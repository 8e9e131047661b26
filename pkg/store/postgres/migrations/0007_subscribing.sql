-- What subscribing needs: a catalogue of event types with schemas, consent of endpoints, short-lived tokens, payloads
-- that can be erased, and rejected events that can be taken again.
--
-- It only adds, so that the code before it goes on working while it is rolled out. The index on events is over replays
-- alone, but to build it Postgres reads all events, and nothing is written meanwhile. Where they are many, first make it
-- of each partition with CREATE INDEX CONCURRENTLY, then of the parent with CREATE INDEX … ON ONLY and ATTACH PARTITION;
-- this then finds it there.

ALTER TABLE tenants
    -- What becomes of data that do not satisfy the schema of their type, where the type does not say.
    ADD COLUMN schema_policy text NOT NULL DEFAULT 'off' CHECK (schema_policy IN ('off', 'flag', 'reject'));

CREATE TABLE event_types (
    tenant        text NOT NULL REFERENCES tenants (id),
    name          text COLLATE "C" NOT NULL,
    description   text NOT NULL,
    -- JSON, as text: it is shown as it was given.
    schema        text,
    example       text,
    schema_policy text NOT NULL CHECK (schema_policy IN ('', 'off', 'flag', 'reject')), -- '': the tenant's
    archived_at   timestamptz,
    version       bigint NOT NULL DEFAULT 1,
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant, name)
);

ALTER TABLE events
    -- Where the data do not satisfy the schema of their type, if they were to be kept all the same.
    ADD COLUMN schema_error text,
    -- Since when the payload is gone.
    ADD COLUMN erased_at    timestamptz;
-- The copies that replays made, for erasing them as well.
CREATE INDEX IF NOT EXISTS events_origin ON events (origin) WHERE origin IS NOT NULL;

ALTER TABLE endpoints
    -- What the endpoint has consented to (CloudEvents HTTP webhook 1.0.2, section 4); '' and 0 before it has.
    ADD COLUMN request_origin     text NOT NULL DEFAULT '',
    ADD COLUMN allowed_per_minute integer NOT NULL DEFAULT 0, -- 0: no bound
    ADD COLUMN consented_at       timestamptz;

ALTER TABLE api_keys ADD COLUMN kind text NOT NULL DEFAULT 'key' CHECK (kind IN ('key', 'portal'));
CREATE INDEX api_keys_portal ON api_keys (expires_at) WHERE kind = 'portal';

ALTER TABLE rejected_events
    -- Whether what is kept is all that came, unchanged: only then can it be taken again.
    ADD COLUMN whole      boolean NOT NULL DEFAULT false,
    -- Since when it waits to be taken again.
    ADD COLUMN redrive_at timestamptz,
    -- The event that it has become. What came is not kept any more then.
    ADD COLUMN event_id   uuid;
CREATE INDEX rejected_events_redrive ON rejected_events (redrive_at) WHERE redrive_at IS NOT NULL;

-- Erases an event's payload with the answers that attempts brought: of the event that was accepted and of all its
-- copies. What is still to be sent of them is cancelled. It returns since when it is erased, NULL when the tenant has no
-- such event. It runs with the rights of the owner, so that manage can change what was accepted in this way and in no
-- other.
--
-- A copy that is under way has locked the row that it copies (event_copy.sql): so the rows are looked for until all are
-- erased. A claim that came before has read the payload, and its attempt may finish; one that comes later finds the
-- delivery cancelled.
CREATE FUNCTION erase_payload(owner text, event uuid) RETURNS timestamptz
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
DECLARE
    root  uuid;
    since timestamptz;
    copy  record;
BEGIN
    SELECT coalesce(e.origin, e.id) INTO root FROM events e WHERE e.id = event AND e.tenant = owner;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    LOOP
        UPDATE events e SET data = NULL, erased_at = clock_timestamp()
        WHERE e.id >= root AND (e.id = root OR e.origin = root) AND e.tenant = owner AND e.erased_at IS NULL;
        EXIT WHEN NOT FOUND;
    END LOOP;
    FOR copy IN
        SELECT e.id, substr(e.id::text, 1, 13) AS millisecond FROM events e
        WHERE e.id >= root AND (e.id = root OR e.origin = root) AND e.tenant = owner
        ORDER BY e.id
    LOOP
        PERFORM erase_from_deliveries(owner, copy.id, (copy.millisecond || '-0000-0000-000000000000')::uuid,
            (copy.millisecond || '-ffff-ffff-ffffffffffff')::uuid);
    END LOOP;
    SELECT e.erased_at INTO since FROM events e WHERE e.id = event;
    RETURN since;
END $$;

-- Cancels what is live of an event, and forgets what its attempts were answered. Deliveries have ids of the millisecond
-- of their event, so first and last bound them.
CREATE FUNCTION erase_from_deliveries(owner text, event uuid, first uuid, last uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM FROM deliveries d
    WHERE d.id >= first AND d.id <= last AND d.event_id = event AND d.tenant = owner
    ORDER BY d.id FOR UPDATE;
    INSERT INTO attempts (delivery_id, attempt_no, outcome, status, started_at)
    SELECT d.id, d.attempt_no, 'interrupted', 0, d.started_at FROM deliveries d
    WHERE d.id >= first AND d.id <= last AND d.event_id = event AND d.tenant = owner AND d.state = 'attempting'
    ON CONFLICT DO NOTHING;
    UPDATE deliveries d SET state = 'cancelled', reason = 'erased', wake_at = NULL, lease_until = NULL
    WHERE d.id >= first AND d.id <= last AND d.event_id = event AND d.tenant = owner
        AND d.state IN ('scheduled', 'attempting');
    UPDATE attempts a SET response_body = NULL
    WHERE a.delivery_id >= first AND a.delivery_id <= last AND a.response_body IS NOT NULL
        AND a.delivery_id IN (SELECT d.id FROM deliveries d
            WHERE d.id >= first AND d.id <= last AND d.event_id = event AND d.tenant = owner);
END $$;
REVOKE EXECUTE ON FUNCTION erase_payload, erase_from_deliveries FROM PUBLIC;

-- As in 0005, but only events whose payload is there, each locked so that it is not erased before its copy can be found.
CREATE OR REPLACE FUNCTION copy_events(copies uuid[], originals uuid[], owner text, moment timestamptz, most_bytes bigint)
    RETURNS TABLE (original uuid, copied boolean)
    LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
    WITH wanted AS MATERIALIZED (
        SELECT c.copy, c.original AS wanted_id, c.nth, e.*
        FROM unnest(copies, originals) WITH ORDINALITY c (copy, original, nth)
        LEFT JOIN LATERAL (
            SELECT v.*
            FROM events v
            WHERE v.id = c.original AND v.tenant = owner AND v.erased_at IS NULL
            LIMIT 1 -- keeps this a lookup for each row, in the one partition that has it
            FOR SHARE
        ) e ON true
    ), fitting AS MATERIALIZED (
        SELECT *
        FROM (SELECT *, coalesce(sum(octet_length(data)) OVER (ORDER BY nth), 0) AS bytes FROM wanted) w
        WHERE nth = 1 OR bytes <= most_bytes
    ), inserted AS (
        INSERT INTO events (id, accepted_at, origin, tenant, source, ce_id, type, subject, ce_time, data_type,
            data_schema, extensions, trace_parent, trace_state, schema_error, data)
        SELECT copy, moment, coalesce(origin, id), tenant, source, ce_id, type, subject, ce_time, data_type,
            data_schema, extensions, trace_parent, trace_state, schema_error, data
        FROM fitting
        WHERE id IS NOT NULL
    )
    SELECT wanted_id, id IS NOT NULL FROM fitting ORDER BY nth;
$$;

-- The grants before, and these after them.
ALTER FUNCTION grant_to_roles RENAME TO grant_to_roles_before_0007;
CREATE FUNCTION grant_to_roles() RETURNS boolean
    LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
    IF NOT grant_to_roles_before_0007() THEN
        RETURN false;
    END IF;
    -- The schemas that events are held to.
    GRANT SELECT (tenant, name, schema, schema_policy) ON event_types TO homing_ingest;
    GRANT SELECT, INSERT, UPDATE, DELETE ON event_types TO homing_manage;
    GRANT EXECUTE ON FUNCTION erase_payload TO homing_manage;
    -- To lock the row that a replay copies, so that it is not erased meanwhile.
    GRANT UPDATE (erased_at) ON events TO homing_manage;
    GRANT UPDATE (redrive_at) ON rejected_events TO homing_manage;
    -- retry takes rejected events again, and forgets tokens that are over.
    GRANT SELECT ON rejected_events TO homing_retry;
    GRANT UPDATE (reason, detail, headers, body, redrive_at, event_id) ON rejected_events TO homing_retry;
    GRANT DELETE ON api_keys TO homing_retry;
    RETURN true;
EXCEPTION WHEN insufficient_privilege THEN
    RETURN false;
END $$;
REVOKE EXECUTE ON FUNCTION grant_to_roles FROM PUBLIC;
