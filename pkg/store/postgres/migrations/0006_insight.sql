-- What people and alarms look at: statistics, the health of endpoints, notices of what went wrong, and lists that stay
-- fast (decision 11).
--
-- It only adds, so that the code before it goes on working while it is rolled out. Adding a column without a default and
-- setting the default afterwards rewrites nothing; the indexes on deliveries and events are built while writers wait, some 5 s for
-- each million rows: on a large table make them beforehand, CONCURRENTLY and partition by partition, under the names
-- that the parent's indexes will look for.

-- When the outcome was put on record: the order in which attempts are counted. An INSERT that does not name the column
-- gets it, so the statements that record stay as they are. NULL for those from before.
ALTER TABLE attempts ADD COLUMN recorded_at timestamptz;
ALTER TABLE attempts ALTER COLUMN recorded_at SET DEFAULT clock_timestamp();
-- Rows come in this order, so a few bytes for every 16 pages are enough, and an insert into a range that is not
-- summarized yet, which is nearly every one, does not touch the index at all.
CREATE INDEX attempts_recorded ON attempts USING brin (recorded_at) WITH (pages_per_range = 16, autosummarize = on);

-- The deliveries of an endpoint, and by way of its endpoints those of a tenant, in the order of their lists.
CREATE INDEX deliveries_endpoint ON deliveries (endpoint_id, id);
-- Those that ended without success. The predicate is on a column that neither a claim nor a success sets: a claim stays
-- a heap-only update, and what goes well has no entry here. (One on the state would undo both.)
CREATE INDEX deliveries_failed ON deliveries (endpoint_id, id) WHERE reason IS NOT NULL;

-- The events of a tenant in the order of their list. They are written once, so this costs one entry each.
CREATE INDEX events_tenant ON events (tenant, id);

-- Since when an endpoint has its status; NULL when it has not changed since this was noted.
ALTER TABLE endpoints ADD COLUMN status_at timestamptz;
-- Since when its format and headers are as they are: what was sent before may have looked otherwise.
ALTER TABLE endpoints ADD COLUMN request_at timestamptz;

-- Counts of what was recorded in a span of time, for each endpoint, and for each tenant as a whole under an endpoint of
-- zeros. Spans are 5 minutes long (width 5), or an hour (60) that is made of those when it is over.
CREATE TABLE tallies (
    width     smallint NOT NULL,
    at        timestamptz NOT NULL, -- the beginning of the span
    tenant    text NOT NULL,
    endpoint  uuid NOT NULL,
    events    bigint NOT NULL, -- accepted; of tenants only
    succeeded bigint NOT NULL, -- deliveries
    exhausted bigint NOT NULL, -- deliveries
    outcomes  jsonb NOT NULL,  -- attempts, by outcome
    -- A histogram of the time that attempts took: cell c has those of 2^(c/8) to 2^((c+1)/8) microseconds.
    cells     integer[] NOT NULL,
    counts    bigint[] NOT NULL,
    PRIMARY KEY (tenant, endpoint, width, at)
);
-- By which spans are replaced and dropped.
CREATE INDEX tallies_at ON tallies (width, at);

-- How far the counting has come: everything that was recorded before is counted for good.
CREATE TABLE tallied (
    id      boolean PRIMARY KEY DEFAULT true CHECK (id),
    through timestamptz NOT NULL,
    -- The moment up to which everything that was committed was counted last.
    as_of   timestamptz NOT NULL
) WITH (fillfactor = 10);
INSERT INTO tallied (through, as_of) VALUES (clock_timestamp(), clock_timestamp());

-- What the counting saw last of each endpoint.
CREATE TABLE endpoint_health (
    endpoint         uuid PRIMARY KEY,
    tenant           text NOT NULL,
    last_success_at  timestamptz,
    last_failure_at  timestamptz,
    failure_delivery uuid,
    failure_outcome  text,
    failure_status   integer,
    failing_since    timestamptz
) WITH (fillfactor = 70);

-- What somebody may want to be told of: the outbox of operational events. A row is written in the transaction of what it
-- tells of, and stays, told, until it has been counted.
CREATE TABLE notices (
    id        uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind      text NOT NULL, -- endpoint.disabled
    tenant    text NOT NULL,
    endpoint  uuid NOT NULL,
    delivery  uuid,
    event     uuid,
    reason    text NOT NULL DEFAULT '',
    attempts  bigint NOT NULL DEFAULT 0,
    succeeded bigint NOT NULL DEFAULT 0,
    told_at   timestamptz
);
CREATE INDEX notices_at ON notices (at);
CREATE INDEX notices_untold ON notices (at) WHERE told_at IS NULL;

ALTER FUNCTION grant_to_roles RENAME TO grant_to_roles_before_0006;
CREATE FUNCTION grant_to_roles() RETURNS boolean
    LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
    IF NOT grant_to_roles_before_0006() THEN
        RETURN false;
    END IF;
    GRANT SELECT (status_at) ON endpoints TO homing_ingest, homing_retry;
    GRANT UPDATE (status_at) ON endpoints TO homing_deliver;
    GRANT INSERT ON notices TO homing_deliver, homing_retry, homing_manage;
    GRANT SELECT, DELETE ON notices TO homing_retry;
    GRANT UPDATE (told_at) ON notices TO homing_retry;
    GRANT SELECT (id, tenant, origin, accepted_at) ON events TO homing_retry;
    GRANT SELECT, INSERT, DELETE ON tallies TO homing_retry;
    GRANT SELECT, INSERT, UPDATE, DELETE ON endpoint_health TO homing_retry;
    GRANT SELECT, UPDATE ON tallied TO homing_retry;
    GRANT SELECT ON tallies, tallied, endpoint_health TO homing_manage;
    RETURN true;
EXCEPTION WHEN insufficient_privilege THEN
    RETURN false;
END $$;
REVOKE EXECUTE ON FUNCTION grant_to_roles FROM PUBLIC;
