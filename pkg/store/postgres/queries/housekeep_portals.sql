-- $1 age, $2 how many
DELETE FROM api_keys WHERE id IN (
    SELECT id FROM api_keys WHERE kind = 'portal' AND expires_at <= clock_timestamp() - $1::interval
    ORDER BY expires_at LIMIT $2);
