-- Keeps the answer to a request, unless there is one that is not over.
--
-- $1 API key, $2 Idempotency-Key, $3 hash of the request, $4 id of the key that sealed it, $5 the answer, sealed,
-- $6 how long an answer is kept, $7 tenant
INSERT INTO idempotency_keys AS k (owner, key, request, key_id, response, tenant)
VALUES ($1, $2, $3, $4, $5, $7)
ON CONFLICT (owner, key) DO UPDATE SET
    request = excluded.request,
    key_id = excluded.key_id,
    response = excluded.response,
    tenant = excluded.tenant,
    created_at = excluded.created_at
WHERE k.created_at <= clock_timestamp() - $6::interval;
