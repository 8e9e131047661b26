-- $1 id, $2 tenant ('': of none known)
SELECT id, reason, detail, headers, body, rejected_at, whole, redrive_at, event_id
FROM rejected_events WHERE id = $1 AND tenant = $2;
