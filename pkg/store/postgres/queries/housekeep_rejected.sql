-- $1 age, $2 how many
DELETE FROM rejected_events WHERE id IN (
    SELECT id FROM rejected_events WHERE rejected_at <= clock_timestamp() - $1::interval
    ORDER BY rejected_at LIMIT $2);
