-- What was left of the management API: the public keys of a whole tenant, answers that stay erased, replays that pass by
-- what is erased, and a line of the audit log when a tenant is gone.
--
-- It only adds, so that the code before it goes on working while it is rolled out: a column without a default rewrites
-- nothing, and the index is on a small table.

-- A tenant's Ed25519 secrets, the newest first: everybody may ask for their public keys.
CREATE INDEX endpoint_secrets_public ON endpoint_secrets (tenant, created_at DESC, id DESC) WHERE kind = 'v1a';

-- Whether what the attempt was answered is gone for good, also when its result comes only now; NULL: it is not.
ALTER TABLE attempts ADD COLUMN answer_erased boolean;

-- As in 0007, but the headers of answers are forgotten as well, and attempts remember it: each that was ever begun has a
-- row by now, and a late result changes that row, so it finds the mark whatever it has read before.
CREATE OR REPLACE FUNCTION erase_from_deliveries(owner text, event uuid, first uuid, last uuid) RETURNS void
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
    UPDATE attempts a SET response_headers = NULL, response_body = NULL, answer_erased = true
    WHERE a.delivery_id >= first AND a.delivery_id <= last AND a.answer_erased IS NULL
        AND a.delivery_id IN (SELECT d.id FROM deliveries d
            WHERE d.id >= first AND d.id <= last AND d.event_id = event AND d.tenant = owner);
END $$;

-- As in 0005, but with the last of it goes a line of the audit log, whose id is line, in the name of the API key that
-- asked for the erasure. Code from before gives none, and writes none.
DROP FUNCTION erase_rest;
CREATE FUNCTION erase_rest(owner text, most integer, line uuid DEFAULT NULL, OUT erased integer, OUT ended boolean)
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
        INSERT INTO audit_log (id, tenant, actor, actor_name, action, target, after)
        SELECT line, owner, coalesce(j.created_by, '00000000-0000-0000-0000-000000000000'), coalesce(k.name, ''),
            'tenant.erase', owner, jsonb_build_object('job', j.id, 'rows', j.done + erased)
        FROM jobs j
        LEFT JOIN api_keys k ON k.id = j.created_by
        WHERE j.tenant = owner AND line IS NOT NULL;
        DELETE FROM jobs WHERE tenant = owner;
        DELETE FROM tenants WHERE id = owner;
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION erase_rest FROM PUBLIC;

-- The grants before, and these after them.
ALTER FUNCTION grant_to_roles RENAME TO grant_to_roles_before_0008;
CREATE FUNCTION grant_to_roles() RETURNS boolean
    LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
    IF NOT grant_to_roles_before_0008() THEN
        RETURN false;
    END IF;
    -- To pass by events whose payload is gone.
    GRANT SELECT (erased_at) ON events TO homing_retry;
    RETURN true;
EXCEPTION WHEN insufficient_privilege THEN
    RETURN false;
END $$;
REVOKE EXECUTE ON FUNCTION grant_to_roles FROM PUBLIC;
