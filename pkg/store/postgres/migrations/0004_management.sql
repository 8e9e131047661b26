-- What the management API needs: tenants that can be changed and deleted, keys with scopes, keys of operators, answers
-- that can be given again, and a log of every change.
--
-- It only adds, so that the code before it goes on working while it is rolled out: an ALTER TABLE … ADD COLUMN with a
-- constant default rewrites nothing.

ALTER TABLE tenants
    ADD COLUMN name       text NOT NULL DEFAULT '',
    -- Moves on with every change of the tenant itself by hand, where config_version moves on with its endpoints and keys.
    ADD COLUMN version    bigint NOT NULL DEFAULT 1,
    -- Since when it is being deleted: its keys are refused from then on.
    ADD COLUMN deleted_at timestamptz;

ALTER TABLE api_keys
    -- NULL for an operator's key, which is no tenant's.
    ALTER COLUMN tenant DROP NOT NULL,
    -- Keys from before, and those that older code makes, may do everything but administration.
    ADD COLUMN scopes text[] NOT NULL
        DEFAULT '{events:write,endpoints:read,endpoints:write,deliveries:read,deliveries:write}',
    -- To within some minutes: see key_authenticate.sql.
    ADD COLUMN last_used_at timestamptz;

-- The answers to requests that carried an Idempotency-Key, each written in the transaction of what the request did.
CREATE TABLE idempotency_keys (
    owner      uuid NOT NULL, -- the API key
    key        text NOT NULL,
    -- SHA-256 of what was asked, so that the same key with another request is a mistake and no repetition.
    request    bytea NOT NULL,
    -- The answer, sealed: it may hold a key or a secret that is shown only once.
    key_id     text NOT NULL,
    response   bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (owner, key)
);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);

-- Every change made through the API, written in the transaction of the change. Nobody but the owner may change a row of
-- it. No foreign keys: it outlives what it is about.
CREATE TABLE audit_log (
    id         uuid PRIMARY KEY,
    tenant     text NOT NULL, -- '' for what is no tenant's
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor      uuid NOT NULL, -- the API key
    actor_name text NOT NULL,
    action     text NOT NULL, -- endpoint.update
    target     text NOT NULL, -- the id of what was changed
    before     jsonb,
    after      jsonb
);
CREATE INDEX audit_log_tenant ON audit_log (tenant, id);

-- The grants of 0003, and these after them.
ALTER FUNCTION grant_to_roles RENAME TO grant_pipeline_to_roles;
CREATE FUNCTION grant_to_roles() RETURNS boolean
    LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
    IF NOT grant_pipeline_to_roles() THEN
        RETURN false;
    END IF;
    GRANT UPDATE (last_used_at) ON api_keys TO homing_ingest;
    GRANT SELECT, INSERT ON audit_log TO homing_manage;
    GRANT DELETE ON rejected_events TO homing_manage;
    GRANT SELECT, INSERT, UPDATE ON idempotency_keys TO homing_manage;
    GRANT SELECT (owner, key, created_at), DELETE ON idempotency_keys TO homing_retry;
    RETURN true;
EXCEPTION WHEN insufficient_privilege THEN
    RETURN false;
END $$;
REVOKE EXECUTE ON FUNCTION grant_to_roles FROM PUBLIC;
