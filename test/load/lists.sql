-- Makes deliveries for the lists, with their events and attempts, over the last week: most succeeded, to the endpoints of
-- a busy tenant in turn; one in 50,000 to an endpoint of its own, one in 50,000 to another tenant, one in 10,000 given
-- up, and one in 10,000 due in a day.
--
-- $1 how many there are already, $2 how many, $3 how many milliseconds lie between two, $4 the busy tenant, $5 its
-- endpoints, $6 its rare endpoint, $7 the rare tenant, $8 its endpoint
WITH made AS MATERIALIZED (
    SELECT n, lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint - n * $3::bigint), 12, '0') AS ms,
        CASE WHEN n % 50000 = 7 THEN $6::uuid WHEN n % 50000 = 8 THEN $8::uuid
            ELSE ($5::uuid[])[1 + n % cardinality($5::uuid[])] END AS endpoint,
        CASE WHEN n % 50000 = 8 THEN $7::text ELSE $4::text END AS tenant,
        CASE n % 10000 WHEN 9 THEN 'exhausted' WHEN 10 THEN 'scheduled' ELSE 'succeeded' END::delivery_state AS state
    FROM generate_series($1::integer + 1, $1::integer + $2::integer) n
), named AS MATERIALIZED (
    SELECT *, (ms || '7' || substr(md5('e' || n), 1, 3) || '8' || substr(md5('e' || n), 4, 15))::uuid AS event,
        (ms || '7' || substr(md5('d' || n), 1, 3) || '8' || substr(md5('d' || n), 4, 15))::uuid AS delivery
    FROM made
), event AS (
    INSERT INTO events (id, accepted_at, tenant, source, ce_id, type, data_type, data)
    SELECT event, now(), tenant, '/lists', n::text, 'other', 'application/json', convert_to(repeat('x', 256), 'UTF8')
    FROM named
), attempt AS (
    INSERT INTO attempts (delivery_id, attempt_no, status, started_at, total_us, outcome)
    SELECT delivery, 1, CASE state WHEN 'succeeded' THEN 200 ELSE 500 END, now(), 900 + n % 100000,
        CASE state WHEN 'succeeded' THEN 'success' ELSE 'server_error' END
    FROM named
)
INSERT INTO deliveries (id, event_id, endpoint_id, due_at, wake_at, expires_at, started_at, state, reason, attempt_no,
    interruptions, tenant)
SELECT delivery, event, endpoint, now() + interval '1 day',
    CASE state WHEN 'scheduled' THEN now() + interval '1 day' END, now() + interval '5 days', now(), state,
    CASE state WHEN 'exhausted' THEN 'schedule' END, 1, 0, tenant
FROM named;
