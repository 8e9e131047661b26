-- $1 tenant, $2 how many
SELECT id, reason, detail, headers, body, rejected_at, whole, redrive_at, event_id
FROM rejected_events
WHERE tenant = $1 AND event_id IS NULL
ORDER BY rejected_at DESC, id DESC
LIMIT $2;
