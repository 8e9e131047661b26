-- $1 id, $2 tenant ('': of none known)
SELECT id, reason, detail, headers, body, rejected_at FROM rejected_events WHERE id = $1 AND tenant = $2;
