-- The schema of Homing: tenants and endpoints (small, changed by hand), events, deliveries and attempts (large, written
-- all the time), and the guard against duplicates.
--
-- The three large tables have no foreign keys: each would cost a lookup and a lock per row written, and what they would
-- prove is proved where the rows are made. They are partitioned by id, and ids begin with the time they were made
-- (UUIDv7), so a partition is a week and retention is a DROP TABLE.

CREATE TYPE endpoint_status AS ENUM ('active', 'paused', 'disabled', 'deleted');
-- An enum is stored in four bytes and still reads as a word in psql.
CREATE TYPE delivery_state AS ENUM ('scheduled', 'attempting', 'succeeded', 'exhausted', 'cancelled');

CREATE TABLE tenants (
    id             text PRIMARY KEY CHECK (id ~ '^[a-z0-9_-]{1,64}$'),
    -- Moves on with every change of the tenant's keys and endpoints. Accept compares it, so that no event is ever
    -- matched with a configuration older than the one committed.
    config_version bigint NOT NULL DEFAULT 1,
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE api_keys (
    id         uuid PRIMARY KEY,
    tenant     text NOT NULL REFERENCES tenants (id),
    name       text NOT NULL,
    -- SHA-256 of the key; the key itself is not kept.
    hash       bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz,
    revoked_at timestamptz
);
CREATE INDEX api_keys_tenant ON api_keys (tenant);

CREATE TABLE endpoints (
    id              uuid PRIMARY KEY,
    tenant          text NOT NULL REFERENCES tenants (id),
    url             text NOT NULL,
    types           text[],
    filter          text NOT NULL,
    format          text NOT NULL,
    -- May hold credentials: sealed (AES-256-GCM), and the key's name beside it.
    headers         bytea,
    headers_key_id  text,
    schedule        interval[],
    timeout         interval NOT NULL,
    rate_per_second integer NOT NULL,
    status          endpoint_status NOT NULL DEFAULT 'active',
    status_reason   text NOT NULL DEFAULT '',
    paused_at       timestamptz,
    paused_total    interval NOT NULL DEFAULT '0',
    throttled_until timestamptz,
    version         bigint NOT NULL DEFAULT 1,
    -- When the reconciler must look at the endpoint: after a resume, a throttle or a deletion.
    wake_at         timestamptz,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    deleted_at      timestamptz
) WITH (fillfactor = 80); -- throttling rewrites rows in place
CREATE INDEX endpoints_tenant ON endpoints (tenant, id);
CREATE INDEX endpoints_wake ON endpoints (wake_at) WHERE wake_at IS NOT NULL;

CREATE TABLE endpoint_secrets (
    id         uuid PRIMARY KEY,
    endpoint   uuid NOT NULL REFERENCES endpoints (id),
    tenant     text NOT NULL,
    kind       text NOT NULL,
    key_id     text NOT NULL,
    sealed     bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz
);
CREATE INDEX endpoint_secrets_endpoint ON endpoint_secrets (endpoint);

CREATE TABLE events (
    id           uuid PRIMARY KEY,
    accepted_at  timestamptz NOT NULL,
    ce_time      timestamptz,
    -- The event that a replay copied this one from.
    origin       uuid,
    tenant       text NOT NULL,
    source       text NOT NULL,
    ce_id        text NOT NULL,
    type         text NOT NULL,
    subject      text,
    data_type    text,
    data_schema  text,
    extensions   jsonb,
    trace_parent text,
    trace_state  text,
    data         bytea
) PARTITION BY RANGE (id);

-- Large payloads are compressed with lz4 where the server has it: some ten times cheaper than the default.
DO $$
BEGIN
    ALTER TABLE events ALTER COLUMN data SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
    NULL;
END $$;

CREATE TABLE deliveries (
    id            uuid PRIMARY KEY,
    event_id      uuid NOT NULL,
    endpoint_id   uuid NOT NULL,
    due_at        timestamptz NOT NULL,
    -- When the reconciler must look; NULL once terminal.
    wake_at       timestamptz,
    expires_at    timestamptz NOT NULL,
    started_at    timestamptz,
    lease_until   timestamptz,
    state         delivery_state NOT NULL,
    attempt_no    integer NOT NULL,
    interruptions integer NOT NULL,
    tenant        text NOT NULL,
    reason        text,
    replay_of     uuid
) PARTITION BY RANGE (id);
-- Both are partial, so that what has ended costs nothing, and neither holds a column that a claim changes: a claim
-- stays a heap-only update.
CREATE INDEX deliveries_wake ON deliveries (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX deliveries_due ON deliveries (endpoint_id, due_at) WHERE wake_at IS NOT NULL;

-- Written once for each attempt, at its end. Tenant and endpoint are the delivery's, by which attempts are found.
CREATE TABLE attempts (
    delivery_id      uuid NOT NULL,
    attempt_no       integer NOT NULL,
    status           integer NOT NULL,
    started_at       timestamptz NOT NULL,
    -- In microseconds; NULL for a phase that did not happen.
    total_us         bigint,
    dns_us           bigint,
    connect_us       bigint,
    tls_us           bigint,
    first_byte_us    bigint,
    outcome          text NOT NULL,
    detail           text,
    response_headers jsonb,
    response_body    bytea,
    PRIMARY KEY (delivery_id, attempt_no)
) PARTITION BY RANGE (delivery_id);

-- Which identities have been accepted within the dedupe window. The key is a 16-byte hash, stored as a uuid because
-- that is the smallest type of that size.
CREATE TABLE event_keys (
    key         uuid PRIMARY KEY,
    event_id    uuid NOT NULL,
    accepted_at timestamptz NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.1);
-- For expiry. Entries arrive in order, so this costs little.
CREATE INDEX event_keys_accepted ON event_keys (accepted_at);

CREATE TABLE rejected_events (
    id          uuid PRIMARY KEY,
    tenant      text NOT NULL, -- '' when not known
    reason      text NOT NULL,
    detail      text NOT NULL,
    headers     jsonb,
    body        bytea,
    rejected_at timestamptz NOT NULL
);
CREATE INDEX rejected_events_tenant ON rejected_events (tenant, rejected_at);
CREATE INDEX rejected_events_at ON rejected_events (rejected_at);

-- Bounds rejected_events, so that nobody can fill the disk with what is not even accepted.
CREATE TABLE rejected_counts (
    tenant text NOT NULL,
    day    date NOT NULL,
    kept   integer NOT NULL,
    PRIMARY KEY (tenant, day)
) WITH (fillfactor = 50);

-- What ProbeWrite writes to: a commit that nobody sees.
CREATE TABLE write_probe (
    id        boolean PRIMARY KEY DEFAULT true CHECK (id),
    probed_at timestamptz NOT NULL
) WITH (fillfactor = 10);
INSERT INTO write_probe (probed_at) VALUES (clock_timestamp());
