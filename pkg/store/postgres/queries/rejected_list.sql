-- $1 tenant, $2 how many
SELECT id, reason, detail, headers, body, rejected_at
FROM rejected_events
WHERE tenant = $1
ORDER BY rejected_at DESC, id DESC
LIMIT $2;
