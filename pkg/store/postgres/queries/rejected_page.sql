-- $1 tenant ('': of none known), $2 older than this id, $3 how many
SELECT id, reason, detail, NULL::jsonb, NULL::bytea, rejected_at, whole, redrive_at, event_id
FROM rejected_events
WHERE tenant = $1 AND event_id IS NULL AND id < $2
ORDER BY id DESC
LIMIT $3;
