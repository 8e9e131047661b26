-- $1 age, $2 how many
DELETE FROM idempotency_keys WHERE (owner, key) IN (
    SELECT owner, key FROM idempotency_keys WHERE created_at <= clock_timestamp() - $1::interval
    ORDER BY created_at LIMIT $2);
