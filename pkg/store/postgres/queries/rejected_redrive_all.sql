-- $1 tenant, $2 reason ('': any), $3 how many
UPDATE rejected_events SET redrive_at = clock_timestamp()
WHERE id IN (
    SELECT id FROM rejected_events
    WHERE tenant = $1 AND ($2 = '' OR reason = $2) AND whole AND event_id IS NULL AND redrive_at IS NULL
    ORDER BY rejected_at, id
    LIMIT $3
    FOR UPDATE SKIP LOCKED);
