-- $1 dedupe window, $2 how many
DELETE FROM event_keys WHERE key IN (
    SELECT key FROM event_keys WHERE accepted_at <= clock_timestamp() - $1::interval
    ORDER BY accepted_at LIMIT $2 FOR UPDATE SKIP LOCKED);
