-- Each function of Homing has a database role of its own that may do what the function does and nothing else: ingest
-- cannot read a secret, deliver cannot make an event, and no one of them can change the schema. They are group roles
-- without login: a deployment makes its users members (GRANT homing_deliver TO app_deliver), or sets the role on
-- connecting.
--
-- Roles belong to the whole server, and not everybody who migrates may make them. Then nothing is granted, Migrate says
-- nothing, and the user that owns the tables can be used for everything. It is a function, called at the end of every
-- Migrate, so that roles that somebody makes later get their rights by the next one.
CREATE FUNCTION grant_to_roles() RETURNS boolean
    LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['homing_ingest', 'homing_deliver', 'homing_retry', 'homing_manage'] LOOP
        IF to_regrole(role) IS NULL THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', role);
            EXCEPTION
                WHEN duplicate_object OR unique_violation THEN
                    NULL; -- another database of this server is being migrated
                WHEN insufficient_privilege THEN
                    RETURN false;
            END;
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), role);
        EXECUTE format('GRANT SELECT ON schema_migrations TO %I', role);
        EXECUTE format('GRANT UPDATE ON write_probe TO %I', role);
    END LOOP;

    GRANT SELECT ON tenants, api_keys TO homing_ingest;
    -- Every column but the headers.
    GRANT SELECT (id, tenant, url, types, filter, format, schedule, timeout, rate_per_second, status, status_reason,
        paused_at, paused_total, throttled_until, version, wake_at, created_at, deleted_at)
        ON endpoints TO homing_ingest, homing_retry;
    GRANT INSERT ON events, deliveries TO homing_ingest;
    GRANT SELECT, INSERT, UPDATE ON event_keys, rejected_counts TO homing_ingest;
    GRANT SELECT (id), INSERT ON rejected_events TO homing_ingest;
    GRANT EXECUTE ON FUNCTION make_partitions TO homing_ingest, homing_retry, homing_manage;

    GRANT SELECT ON tenants, endpoints, endpoint_secrets, events, deliveries TO homing_deliver;
    GRANT UPDATE (status, status_reason, throttled_until, version, wake_at) ON endpoints TO homing_deliver;
    GRANT UPDATE (config_version) ON tenants TO homing_deliver;
    GRANT UPDATE (state, reason, attempt_no, interruptions, due_at, wake_at, started_at, lease_until)
        ON deliveries TO homing_deliver, homing_retry, homing_manage;
    GRANT SELECT, INSERT, UPDATE ON attempts TO homing_deliver;

    -- retry takes in parked events as well, so it has the rights of ingest too.
    IF NOT pg_has_role('homing_retry', 'homing_ingest', 'MEMBER') THEN
        BEGIN
            GRANT homing_ingest TO homing_retry;
        EXCEPTION WHEN unique_violation THEN
            NULL;
        END;
    END IF;
    GRANT SELECT ON deliveries TO homing_retry;
    GRANT UPDATE (wake_at) ON endpoints TO homing_retry;
    GRANT SELECT, INSERT ON attempts TO homing_retry;
    GRANT DELETE ON event_keys, rejected_events, rejected_counts, endpoint_secrets TO homing_retry;
    GRANT SELECT (id, rejected_at) ON rejected_events TO homing_retry;
    GRANT SELECT (id, expires_at) ON endpoint_secrets TO homing_retry;
    GRANT EXECUTE ON FUNCTION drop_partition TO homing_retry;

    GRANT SELECT, INSERT, UPDATE ON tenants, api_keys, endpoints, endpoint_secrets TO homing_manage;
    GRANT SELECT, INSERT ON events, deliveries, attempts TO homing_manage;
    GRANT SELECT ON rejected_events TO homing_manage;
    RETURN true;
EXCEPTION WHEN insufficient_privilege THEN
    RETURN false;
END $$;
REVOKE EXECUTE ON FUNCTION grant_to_roles FROM PUBLIC;
