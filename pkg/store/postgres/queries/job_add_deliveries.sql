-- Stores deliveries that a replay makes.
--
-- $1-$7 per delivery: id, event, endpoint, due, wake time, end, the delivery that it replays (NULL: none), $8 tenant
INSERT INTO deliveries (id, event_id, endpoint_id, due_at, wake_at, expires_at, state, attempt_no, interruptions,
    tenant, replay_of)
SELECT unnest($1::uuid[]), unnest($2::uuid[]), unnest($3::uuid[]), unnest($4::timestamptz[]), unnest($5::timestamptz[]),
    unnest($6::timestamptz[]), 'scheduled', 0, 0, $8, unnest($7::uuid[]);
