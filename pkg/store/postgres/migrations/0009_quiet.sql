-- Statistics that are counted slice by slice and rest while nothing is recorded, and one question that tells a tick
-- what there is to do (decision 15).
--
-- Tallies have a third width, 0: slices of 30 seconds, of which spans are made as hours are made of spans. What was
-- recorded since tallied.through is told from what was counted by a sum, so that nothing is counted, nor written, again.
-- A retry of before, which may run beside this one for a while, counts whole spans; each reads what it knows.

-- What recorded_in said of all that is not counted for good, when it was counted last; NULL: count it.
ALTER TABLE tallied ADD COLUMN mark numeric;
-- When endpoints were judged last.
ALTER TABLE tallied ADD COLUMN judged_at timestamptz;
-- The spans that are not over are counted by slices from here on.
UPDATE tallied SET through = date_bin('5 min', through, '2000-01-01 00:00+00');
DELETE FROM tallies WHERE width = 5 AND at >= (SELECT through FROM tallied);

-- Stands for what was recorded in a span of time: 0 when nothing was. It grows with whatever is recorded, however late
-- that is committed, and by a correction, which records an attempt anew. It is a sum over all rows, and not a look for
-- the first one: a planner that expects many would look for that in the whole table.
CREATE FUNCTION recorded_in(since timestamptz, until timestamptz) RETURNS numeric
    LANGUAGE sql STABLE SET search_path FROM CURRENT
AS $$
    SELECT coalesce(sum(1 + (date_part('epoch', at - since) * 1000000)::bigint), 0)
    FROM (
        SELECT recorded_at AS at FROM attempts WHERE recorded_at >= since AND recorded_at < until
        UNION ALL
        SELECT at FROM notices WHERE at >= since AND at < until AND kind = 'delivery.exhausted'
        UNION ALL
        -- An id may differ from when its event was accepted by so much.
        SELECT accepted_at FROM events
        WHERE accepted_at >= since AND accepted_at < until AND origin IS NULL
            AND id >= (lpad(to_hex((extract(epoch FROM since - interval '2 min') * 1000)::bigint), 12, '0')
                || repeat('0', 20))::uuid
    ) recorded
$$;

-- Up to when everything that was recorded is counted. Nobody writes that down while nothing is recorded.
CREATE FUNCTION counted_until() RETURNS timestamptz
    LANGUAGE sql STABLE SET search_path FROM CURRENT
AS $$
    SELECT CASE WHEN as_of > clock_timestamp() - interval '1 min' OR mark IS DISTINCT FROM recorded_in(through, 'infinity')
        THEN as_of ELSE clock_timestamp() END
    FROM tallied
$$;

ALTER FUNCTION grant_to_roles RENAME TO grant_to_roles_before_0009;
CREATE FUNCTION grant_to_roles() RETURNS boolean
    LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
    IF NOT grant_to_roles_before_0009() THEN
        RETURN false;
    END IF;
    GRANT SELECT (at, kind) ON notices TO homing_manage;
    RETURN true;
EXCEPTION WHEN insufficient_privilege THEN
    RETURN false;
END $$;
REVOKE EXECUTE ON FUNCTION grant_to_roles FROM PUBLIC;
