-- $1 age, $2 how many
DELETE FROM endpoint_secrets WHERE id IN (
    SELECT id FROM endpoint_secrets WHERE expires_at <= clock_timestamp() - $1::interval
    LIMIT $2);
