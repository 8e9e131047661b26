-- Makes deliveries that wait, ten of each event, with ids of the last minutes: of three, one is held by a paused endpoint,
-- one is due in a day, and one in ten minutes.
--
-- $1 how many there are already, $2 how many, $3 tenant, $4 paused endpoint, $5 the other one
WITH made AS MATERIALIZED (
    SELECT n, lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint - (n / 10) % 100000), 12, '0') AS ms
    FROM generate_series($1::integer + 1, $1::integer + $2::integer) n
), event AS (
    INSERT INTO events (id, accepted_at, tenant, source, ce_id, type, data_type, data)
    SELECT (ms || '7' || substr(md5('e' || n / 10), 1, 3) || '8' || substr(md5('e' || n / 10), 4, 15))::uuid, now(), $3::text,
        '/waiting', n::text, 'other', 'application/json', convert_to(repeat('x', 1024), 'UTF8')
    FROM made WHERE n % 10 = 0
)
INSERT INTO deliveries (id, event_id, endpoint_id, due_at, wake_at, expires_at, state, attempt_no, interruptions, tenant)
SELECT (ms || '7' || substr(md5('d' || n), 1, 3) || '8' || substr(md5('d' || n), 4, 15))::uuid,
    (ms || '7' || substr(md5('e' || n / 10), 1, 3) || '8' || substr(md5('e' || n / 10), 4, 15))::uuid,
    CASE n % 3 WHEN 0 THEN $4::uuid ELSE $5::uuid END,
    now() + CASE n % 3 WHEN 0 THEN interval '0' WHEN 1 THEN interval '1 day' ELSE interval '9 min' END,
    now() + CASE n % 3 WHEN 0 THEN interval '6 hours' WHEN 1 THEN interval '1 day' ELSE interval '10 min' END,
    now() + interval '10 days', 'scheduled', CASE n % 3 WHEN 0 THEN 0 ELSE 1 END, 0, $3::text
FROM made;
