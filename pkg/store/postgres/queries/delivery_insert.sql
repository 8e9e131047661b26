-- $1 id, $2 event, $3 endpoint, $4 due, $5 wake time, $6 end, $7 state, $8 tenant, $9 the delivery that it replays
INSERT INTO deliveries (id, event_id, endpoint_id, due_at, wake_at, expires_at, state, attempt_no, interruptions,
    tenant, replay_of)
VALUES ($1, $2, $3, $4, $5, $6, $7::text::delivery_state, 0, 0, $8, $9);
