-- Makes events that were delivered, each once, with ids of the last hours, as accept, claim and record would have left them.
--
-- $1 how many there are already, $2 how many, $3 tenant, $4 endpoint
WITH made AS MATERIALIZED (
    SELECT n, lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint - n), 12, '0') AS ms
    FROM generate_series($1::integer + 1, $1::integer + $2::integer) n
), named AS MATERIALIZED (
    SELECT n, (ms || '7' || substr(md5('e' || n), 1, 3) || '8' || substr(md5('e' || n), 4, 15))::uuid AS event,
        (ms || '7' || substr(md5('d' || n), 1, 3) || '8' || substr(md5('d' || n), 4, 15))::uuid AS delivery
    FROM made
), key AS (
    INSERT INTO event_keys (key, event_id, accepted_at) SELECT md5('k' || n)::uuid, event, now() FROM named
), event AS (
    INSERT INTO events (id, accepted_at, tenant, source, ce_id, type, data_type, data)
    SELECT event, now(), $3::text, '/stored', n::text, 'other', 'application/json', convert_to(repeat(md5(n::text), 32), 'UTF8')
    FROM named
), attempt AS (
    INSERT INTO attempts (delivery_id, attempt_no, status, started_at, total_us, first_byte_us, outcome, response_body)
    SELECT delivery, 1, 200, now(), 900, 800, 'success', '\x6f6b' FROM named
)
INSERT INTO deliveries (id, event_id, endpoint_id, due_at, expires_at, started_at, state, attempt_no, interruptions, tenant)
SELECT delivery, event, $4::uuid, now(), now() + interval '5 days', now(), 'succeeded', 1, 0, $3::text
FROM named;
