-- Partitions are made and dropped by functions that run with the rights of the owner, so that the roles of the services
-- need none on the tables' structure: they may make and drop partitions in this way and in no other.

-- The smallest id of the week (Monday 00:00 UTC) that a moment is in: its Unix milliseconds in the first 48 bits.
CREATE FUNCTION partition_bound(moment timestamptz) RETURNS uuid
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    RETURN (lpad(to_hex((extract(epoch FROM date_trunc('week', moment, 'UTC')) * 1000)::bigint), 12, '0')
            || repeat('0', 20))::uuid;

-- 2026-11-23 -> deliveries_2026w48, by ISO 8601 weeks.
CREATE FUNCTION partition_name(parent text, moment timestamptz) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    RETURN parent || to_char(date_trunc('week', moment, 'UTC') AT TIME ZONE 'UTC', '"_"IYYY"w"IW');

-- Makes the partitions of the three tables for every week from one moment to another, and returns how many.
--
-- Each is made as a table and then attached: that takes SHARE UPDATE EXCLUSIVE on the parent, under which everybody
-- goes on writing, where CREATE TABLE … PARTITION OF would take ACCESS EXCLUSIVE. LIKE copies the indexes, which are
-- then attached to those of the parent.
CREATE FUNCTION make_partitions(first timestamptz, last timestamptz) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
DECLARE
    parent text;
    name   text;
    week   timestamptz;
    made   integer := 0;
BEGIN
    IF first < now() - interval '1 year' OR last > now() + interval '1 year' THEN
        RAISE EXCEPTION 'partitions are made within a year from now' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('homing.partitions'));
    -- In hours, because a day may have 23 of them in the session's time zone.
    FOR week IN SELECT generate_series(date_trunc('week', first, 'UTC'), last, interval '168 hours') LOOP
        FOREACH parent IN ARRAY ARRAY['events', 'deliveries', 'attempts'] LOOP
            name := partition_name(parent, week);
            CONTINUE WHEN to_regclass(name) IS NOT NULL;
            -- Vacuum by numbers of rows, not by shares of a week: a fifth of a large week would be millions of dead
            -- versions in the indexes that the reconciler walks.
            EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL) WITH (%s)', name, parent, CASE parent
                WHEN 'deliveries' THEN
                    -- Room on the page for the version that the claim writes.
                    'fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000,'
                    ' autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 1'
                ELSE
                    -- Written once: only the visibility map and freezing need a vacuum.
                    'autovacuum_vacuum_insert_scale_factor = 0.2, autovacuum_analyze_scale_factor = 0.2'
                END);
            EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, name,
                partition_bound(week), partition_bound(week + interval '168 hours'));
            made := made + 1;
        END LOOP;
    END LOOP;
    RETURN made;
END $$;

-- Drops one week of a table and returns whether it did: not while a delivery of that week is live. A past week
-- without a live delivery stays so (nothing leaves a terminal state, and a replay has an id of its own time), so
-- nothing can become live between the look and the drop. The event of a delivery is of the delivery's own
-- millisecond, and so of its week.
--
-- The drop locks the parent against everybody for a moment. It gives up (lock_not_available) rather than have them
-- queue behind it; somebody calls again.
CREATE FUNCTION drop_partition(parent text, moment timestamptz) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = '300ms'
AS $$
DECLARE
    deliveries_week text := partition_name('deliveries', moment);
    live            boolean := false;
BEGIN
    IF parent NOT IN ('events', 'deliveries', 'attempts') OR moment > now() - interval '168 hours' THEN
        RAISE EXCEPTION 'not a past partition' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF to_regclass(deliveries_week) IS NOT NULL THEN
        EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE wake_at IS NOT NULL)', deliveries_week) INTO live;
    END IF;
    IF live THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP TABLE IF EXISTS %I', partition_name(parent, moment));
    RETURN true;
END $$;

REVOKE EXECUTE ON FUNCTION make_partitions, drop_partition FROM PUBLIC;
