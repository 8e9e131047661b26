-- Records the outcomes of attempts, each delivery once.
--
-- $1-$7   per result, sorted by delivery: delivery, attempt, next state (0 scheduled, 1 succeeded, 2 exhausted), reason
--         of the end, retry in, wake in, 1 when it counts as an interruption
-- $8-$9   the tenants, each once; per result, the position of its tenant there
-- $10-$20 per result, the rest of the attempt's row
--
-- Returns where each delivery stands that is known, and whether the result decided that. It decides when its attempt is
-- still the one under way; a success also when it comes late, unless the delivery has ended. In any case the row of an
-- attempt that was claimed is written: a real outcome replaces "interrupted", and nothing replaces a real outcome.
-- What deliveries that were not decided are like is looked up only when there are any.
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() AS now
), decided AS (
    UPDATE deliveries d SET
        state = CASE ($3::integer[])[width_bucket(d.id, $1::uuid[])]
            WHEN 0 THEN 'scheduled'::delivery_state WHEN 1 THEN 'succeeded' ELSE 'exhausted' END,
        reason = CASE ($3::integer[])[width_bucket(d.id, $1::uuid[])]
            WHEN 2 THEN ($4::text[])[width_bucket(d.id, $1::uuid[])] END,
        due_at = CASE ($3::integer[])[width_bucket(d.id, $1::uuid[])]
            WHEN 0 THEN clock.now + ($5::interval[])[width_bucket(d.id, $1::uuid[])] ELSE d.due_at END,
        wake_at = CASE ($3::integer[])[width_bucket(d.id, $1::uuid[])]
            WHEN 0 THEN clock.now + ($6::interval[])[width_bucket(d.id, $1::uuid[])] END,
        interruptions = d.interruptions + ($7::integer[])[width_bucket(d.id, $1::uuid[])],
        lease_until = NULL
    FROM clock
    WHERE d.id = ANY ($1::uuid[]) AND d.id >= ($1::uuid[])[1] AND d.id <= ($1::uuid[])[cardinality($1::uuid[])]
        AND d.tenant = ($8::text[])[($9::integer[])[width_bucket(d.id, $1::uuid[])]]
        AND (d.state = 'attempting' AND d.attempt_no = ($2::integer[])[width_bucket(d.id, $1::uuid[])]
            OR d.state IN ('scheduled', 'attempting') AND ($3::integer[])[width_bucket(d.id, $1::uuid[])] = 1
                AND ($2::integer[])[width_bucket(d.id, $1::uuid[])] BETWEEN 1 AND d.attempt_no)
    RETURNING d.id, d.state, d.due_at, d.attempt_no, d.started_at, d.tenant, d.endpoint_id, d.event_id, d.reason
), late AS (
    SELECT d.id, d.state, d.due_at,
        ($2::integer[])[width_bucket(d.id, $1::uuid[])] BETWEEN 1 AND d.attempt_no AS claimed
    FROM deliveries d
    WHERE (SELECT count(*) FROM decided) < cardinality($1::uuid[])
        AND d.id = ANY ($1::uuid[]) AND d.id >= ($1::uuid[])[1] AND d.id <= ($1::uuid[])[cardinality($1::uuid[])]
        AND d.tenant = ($8::text[])[($9::integer[])[width_bucket(d.id, $1::uuid[])]]
        AND (d.id IN (SELECT id FROM decided)) IS FALSE
    -- As it is now, not when the statement began: it may have waited for an erasure. And a row that is being deleted is
    -- not there: an attempt without a delivery would stay behind.
    FOR SHARE OF d
), recorded AS (
    INSERT INTO attempts AS a (delivery_id, attempt_no, outcome, status, started_at, total_us, dns_us, connect_us,
        tls_us, first_byte_us, detail, response_headers, response_body)
    SELECT i.delivery_id, i.attempt_no, i.outcome, i.status, coalesce(i.started_at, (SELECT now FROM clock)),
        i.total_us, i.dns_us, i.connect_us, i.tls_us, i.first_byte_us, i.detail, i.response_headers, i.response_body
    FROM (SELECT unnest($1::uuid[]) AS delivery_id, unnest($2::integer[]) AS attempt_no, unnest($10::text[]) AS outcome,
                 unnest($11::integer[]) AS status, unnest($12::timestamptz[]) AS started_at,
                 unnest($13::bigint[]) AS total_us, unnest($14::bigint[]) AS dns_us,
                 unnest($15::bigint[]) AS connect_us, unnest($16::bigint[]) AS tls_us,
                 unnest($17::bigint[]) AS first_byte_us, unnest($18::text[]) AS detail,
                 unnest($19::jsonb[]) AS response_headers, unnest($20::bytea[]) AS response_body) i
    WHERE (i.delivery_id IN (SELECT id FROM decided UNION ALL SELECT id FROM late WHERE claimed)) IS TRUE
    ON CONFLICT (delivery_id, attempt_no) DO UPDATE SET
        outcome = excluded.outcome, status = excluded.status, total_us = excluded.total_us,
        dns_us = excluded.dns_us, connect_us = excluded.connect_us,
        tls_us = excluded.tls_us, first_byte_us = excluded.first_byte_us, detail = excluded.detail,
        -- Nothing is kept of what an attempt was answered when the payload was erased meanwhile.
        response_headers = CASE WHEN a.answer_erased IS NULL THEN excluded.response_headers END,
        response_body = CASE WHEN a.answer_erased IS NULL THEN excluded.response_body END,
        recorded_at = excluded.recorded_at -- so that it is counted now, by its outcome
    WHERE a.outcome = 'interrupted' AND excluded.outcome <> 'interrupted'
), overtaken AS (
    -- The attempt under way that a late success of an earlier one has made pointless; its own result may still
    -- correct it.
    INSERT INTO attempts (delivery_id, attempt_no, outcome, status, started_at)
    SELECT id, attempt_no, 'interrupted', 0, started_at FROM decided
    WHERE attempt_no > ($2::integer[])[width_bucket(id, $1::uuid[])]
    ON CONFLICT DO NOTHING
)
