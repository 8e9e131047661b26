-- What came is not kept when it has become an event.
--
-- $1 id, $2 tenant, $3 event (NULL: rejected anew), $4 reason, $5 detail
UPDATE rejected_events SET
    redrive_at = NULL,
    event_id = $3,
    reason = CASE WHEN $3::uuid IS NULL THEN $4 ELSE reason END,
    detail = CASE WHEN $3::uuid IS NULL THEN $5 ELSE detail END,
    headers = CASE WHEN $3::uuid IS NULL THEN headers END,
    body = CASE WHEN $3::uuid IS NULL THEN body END
WHERE id = $1 AND tenant = $2 AND redrive_at IS NOT NULL;
