-- $1 API key, $2 Idempotency-Key, $3 how long an answer is kept
SELECT request, key_id, response, tenant
FROM idempotency_keys
WHERE owner = $1 AND key = $2 AND created_at > clock_timestamp() - $3::interval;
