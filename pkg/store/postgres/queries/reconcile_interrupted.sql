-- Puts attempts on record whose outcome never came back. One that has an outcome after all keeps it.
--
-- $1-$3 per attempt: delivery, number, start
INSERT INTO attempts (delivery_id, attempt_no, outcome, status, started_at)
SELECT unnest($1::uuid[]), unnest($2::integer[]), 'interrupted', 0, unnest($3::timestamptz[])
ON CONFLICT DO NOTHING;
