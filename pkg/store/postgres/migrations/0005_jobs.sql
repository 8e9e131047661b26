-- Jobs: bulk work that goes on chunk by chunk, each in one transaction with the job's progress.

CREATE TABLE jobs (
    id          uuid PRIMARY KEY,
    tenant      text NOT NULL, -- no foreign key: an erasure outlives the tenant by a statement
    kind        text NOT NULL CHECK (kind IN ('replay', 'drop_held', 'erase_tenant')),
    spec        jsonb NOT NULL,
    endpoint    uuid, -- that of the spec
    state       text NOT NULL CHECK (state IN ('running', 'paused', 'done', 'cancelled', 'failed')),
    stage       integer NOT NULL DEFAULT 0,
    cursor      uuid,
    done        bigint NOT NULL DEFAULT 0,
    total       bigint NOT NULL, -- -1: not counted
    total_exact boolean NOT NULL,
    per_second  integer NOT NULL,
    failures    integer NOT NULL DEFAULT 0, -- in a row
    error       text NOT NULL DEFAULT '',
    created_by  uuid,
    -- When the next chunk is due; NULL when none is.
    wake_at     timestamptz,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    CHECK ((wake_at IS NOT NULL) = (state = 'running'))
) WITH (fillfactor = 70); -- every chunk rewrites its row
CREATE INDEX jobs_wake ON jobs (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX jobs_tenant ON jobs (tenant, id);
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;
-- One drop at a time for an endpoint, one erasure of a tenant.
CREATE UNIQUE INDEX jobs_drop_held ON jobs (endpoint) WHERE kind = 'drop_held' AND state IN ('running', 'paused');
CREATE UNIQUE INDEX jobs_erase_tenant ON jobs (tenant) WHERE kind = 'erase_tenant';

-- Whose things an answer is about, so that it can go with the tenant.
ALTER TABLE idempotency_keys ADD COLUMN tenant text NOT NULL DEFAULT '';
UPDATE idempotency_keys i SET tenant = k.tenant FROM api_keys k WHERE k.id = i.owner AND k.tenant IS NOT NULL;

-- An id of a tenant may be used again. Processes remember a tenant's keys and subscriptions by the version of its
-- configuration, so a new tenant's version has to be later than any that the old one had.
ALTER TABLE tenants ALTER COLUMN config_version
    SET DEFAULT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;

-- The functions below run with the rights of the owner, so that retry may copy payloads that it cannot read, and may
-- delete what is a tenant's that is being deleted and nothing else.

-- Copies events, in the order given, as long as their payloads together have no more than most_bytes; the first in any
-- case. Returns those that it came to, and whether each was still there. A copy names the event accepted first.
CREATE FUNCTION copy_events(copies uuid[], originals uuid[], owner text, moment timestamptz, most_bytes bigint)
    RETURNS TABLE (original uuid, copied boolean)
    LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
    WITH wanted AS MATERIALIZED (
        SELECT c.copy, c.original AS wanted_id, c.nth, e.*
        FROM unnest(copies, originals) WITH ORDINALITY c (copy, original, nth)
        LEFT JOIN LATERAL (
            SELECT v.*
            FROM events v
            WHERE v.id = c.original AND v.tenant = owner
            LIMIT 1 -- keeps this a lookup for each row, in the one partition that has it
        ) e ON true
    ), fitting AS MATERIALIZED (
        SELECT *
        FROM (SELECT *, coalesce(sum(octet_length(data)) OVER (ORDER BY nth), 0) AS bytes FROM wanted) w
        WHERE nth = 1 OR bytes <= most_bytes
    ), inserted AS (
        INSERT INTO events (id, accepted_at, origin, tenant, source, ce_id, type, subject, ce_time, data_type,
            data_schema, extensions, trace_parent, trace_state, data)
        SELECT copy, moment, coalesce(origin, id), tenant, source, ce_id, type, subject, ce_time, data_type,
            data_schema, extensions, trace_parent, trace_state, data
        FROM fitting
        WHERE id IS NOT NULL
    )
    SELECT wanted_id, id IS NOT NULL FROM fitting ORDER BY nth;
$$;

-- Refuses what is not being deleted.
CREATE FUNCTION require_deleted(owner text) RETURNS void
    LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM tenants WHERE id = owner AND deleted_at IS NOT NULL) THEN
        RAISE EXCEPTION 'the tenant is not being deleted' USING ERRCODE = 'invalid_parameter_value';
    END IF;
END $$;

-- webhook.IdentityKey: the first 16 bytes of the SHA-256 of the parts, each after its length in 8 bytes.
CREATE FUNCTION identity_key(VARIADIC parts text[]) RETURNS uuid
    LANGUAGE sql STABLE STRICT SET search_path FROM CURRENT
    RETURN (SELECT encode(substring(sha256(string_agg(
            int8send(octet_length(convert_to(part, 'UTF8'))) || convert_to(part, 'UTF8'), '' ORDER BY nth)
        ) FOR 16), 'hex')::uuid FROM unnest(parts) WITH ORDINALITY p (part, nth));

-- Deletes deliveries of a tenant with their attempts: of the next walk rows after an id at most most. There is no index
-- by tenant, so the walk is along the primary key. Returns where it came to (NULL: nowhere), how many deliveries it
-- deleted, and whether it came to the end.
CREATE FUNCTION erase_deliveries(owner text, after uuid, walk integer, most integer,
    OUT last uuid, OUT erased integer, OUT ended boolean)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
DECLARE
    doomed uuid[];
    seen   integer;
BEGIN
    PERFORM require_deleted(owner);
    WITH walked AS MATERIALIZED (
        SELECT d.id, d.tenant FROM deliveries d WHERE d.id > after ORDER BY d.id LIMIT walk
    ), found AS (
        SELECT w.id FROM walked w WHERE w.tenant = owner ORDER BY w.id LIMIT most
    )
    SELECT (SELECT count(*) FROM walked), (SELECT w.id FROM walked w ORDER BY w.id DESC LIMIT 1),
        (SELECT array_agg(f.id ORDER BY f.id) FROM found f)
    INTO seen, last, doomed;
    erased := coalesce(cardinality(doomed), 0);
    ended := erased < most AND seen < walk;
    IF erased = most THEN
        last := doomed[most];
    END IF;
    -- The deliveries first: whoever records an attempt waits for them, and then finds none.
    DELETE FROM deliveries d WHERE d.id = ANY (doomed) AND d.id >= doomed[1] AND d.id <= doomed[erased];
    DELETE FROM attempts a
        WHERE a.delivery_id = ANY (doomed) AND a.delivery_id >= doomed[1] AND a.delivery_id <= doomed[erased];
END $$;

-- Deletes events of a tenant and what guards them against duplicates; otherwise as erase_deliveries.
CREATE FUNCTION erase_events(owner text, after uuid, walk integer, most integer,
    OUT last uuid, OUT erased integer, OUT ended boolean)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
DECLARE
    doomed uuid[];
    seen   integer;
BEGIN
    PERFORM require_deleted(owner);
    WITH walked AS MATERIALIZED (
        SELECT e.id, e.tenant FROM events e WHERE e.id > after ORDER BY e.id LIMIT walk
    ), found AS (
        SELECT w.id FROM walked w WHERE w.tenant = owner ORDER BY w.id LIMIT most
    )
    SELECT (SELECT count(*) FROM walked), (SELECT w.id FROM walked w ORDER BY w.id DESC LIMIT 1),
        (SELECT array_agg(f.id ORDER BY f.id) FROM found f)
    INTO seen, last, doomed;
    erased := coalesce(cardinality(doomed), 0);
    ended := erased < most AND seen < walk;
    IF erased = most THEN
        last := doomed[most];
    END IF;
    WITH gone AS (
        DELETE FROM events e WHERE e.id = ANY (doomed) AND e.id >= doomed[1] AND e.id <= doomed[erased]
        RETURNING e.tenant, e.source, e.ce_id
    )
    DELETE FROM event_keys k WHERE k.key IN (SELECT identity_key(g.tenant, g.source, g.ce_id) FROM gone g);
END $$;

-- Deletes what else is a tenant's, at most most rows: of every table with a column tenant, also one that comes later,
-- but the audit log, which stays, and the partitioned ones, which are walked. A table that others refer to waits until
-- they are done. When nothing is left the tenant itself goes, with the job. Returns how many rows were deleted, and
-- whether that was the end.
CREATE FUNCTION erase_rest(owner text, most integer, OUT erased integer, OUT ended boolean)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
DECLARE
    kept    CONSTANT text[] := ARRAY['audit_log', 'jobs'];
    name    text;
    n       integer;
    before  integer;
    blocked boolean;
BEGIN
    PERFORM require_deleted(owner);
    erased := 0;
    LOOP
        before := erased;
        blocked := false;
        FOR name IN
            SELECT c.relname
            FROM pg_class c
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant' AND NOT a.attisdropped
            WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND NOT c.relispartition
                AND c.relname <> ALL (kept)
            ORDER BY c.relname
        LOOP
            BEGIN
                EXECUTE format('DELETE FROM %1$I WHERE ctid = ANY (ARRAY('
                    'SELECT ctid FROM %1$I WHERE tenant = $1 LIMIT $2))', name) USING owner, most - erased;
                GET DIAGNOSTICS n = ROW_COUNT;
                erased := erased + n;
            EXCEPTION WHEN foreign_key_violation THEN
                blocked := true;
            END;
        END LOOP;
        EXIT WHEN NOT blocked OR erased = most;
        IF erased = before THEN
            RAISE EXCEPTION 'tables refer to each other' USING ERRCODE = 'invalid_parameter_value';
        END IF;
    END LOOP;
    DELETE FROM jobs WHERE id IN (
        SELECT id FROM jobs WHERE tenant = owner AND kind <> 'erase_tenant' LIMIT most - erased);
    GET DIAGNOSTICS n = ROW_COUNT;
    erased := erased + n;
    ended := erased < most;
    IF ended THEN
        DELETE FROM jobs WHERE tenant = owner;
        DELETE FROM tenants WHERE id = owner;
    END IF;
END $$;

REVOKE EXECUTE ON FUNCTION copy_events, require_deleted, erase_deliveries, erase_events, erase_rest FROM PUBLIC;

-- The grants before this, and these after them.
ALTER FUNCTION grant_to_roles RENAME TO grant_to_roles_before_0005;
CREATE FUNCTION grant_to_roles() RETURNS boolean
    LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
    IF NOT grant_to_roles_before_0005() THEN
        RETURN false;
    END IF;
    GRANT SELECT, INSERT ON jobs TO homing_manage;
    GRANT UPDATE (state, wake_at, updated_at, finished_at, error, failures) ON jobs TO homing_manage;
    GRANT SELECT, DELETE ON jobs TO homing_retry;
    GRANT UPDATE (state, stage, cursor, done, wake_at, updated_at, finished_at, error, failures) ON jobs TO homing_retry;
    -- To match events; every column but the payload and the trace.
    GRANT SELECT (id, accepted_at, ce_time, origin, tenant, source, ce_id, type, subject, data_type, data_schema,
        extensions) ON events TO homing_retry;
    -- To open an endpoint when what it held is dropped, and to close those of a tenant that is deleted.
    GRANT UPDATE (status, status_reason, paused_at, paused_total, version, deleted_at) ON endpoints TO homing_retry;
    GRANT UPDATE (config_version) ON tenants TO homing_retry;
    GRANT EXECUTE ON FUNCTION copy_events, erase_deliveries, erase_events, erase_rest TO homing_retry;
    RETURN true;
EXCEPTION WHEN insufficient_privilege THEN
    RETURN false;
END $$;
REVOKE EXECUTE ON FUNCTION grant_to_roles FROM PUBLIC;
