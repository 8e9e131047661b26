-- $1 how many
SELECT tenant, id, reason, detail, headers, body, rejected_at, whole, redrive_at, event_id
FROM rejected_events
WHERE redrive_at IS NOT NULL
ORDER BY redrive_at, id
LIMIT $1;
