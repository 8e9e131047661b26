-- $1 id, $2 tenant, $3 the version that is changed, $4 URL, $5 types, $6 filter, $7 format, $8 whether the headers are
-- changed, $9-$10 headers, sealed, and the id of the key, $11 schedule, $12 timeout, $13 rate, $14-$16 what it has
-- consented to: sender, rate, when
UPDATE endpoints SET
    url = $4,
    types = $5,
    filter = $6,
    format = $7,
    headers = CASE WHEN $8 THEN $9 ELSE headers END,
    headers_key_id = CASE WHEN $8 THEN $10 ELSE headers_key_id END,
    schedule = $11,
    timeout = $12,
    rate_per_second = $13,
    request_at = CASE WHEN $8 OR format <> $7 OR request_origin IS DISTINCT FROM $14 THEN clock_timestamp() ELSE request_at END,
    request_origin = $14,
    allowed_per_minute = $15,
    consented_at = $16,
    version = version + 1
WHERE id = $1 AND tenant = $2 AND version = $3 AND status <> 'deleted';
