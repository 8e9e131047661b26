-- $1 id, $2 tenant, $3 URL, $4 types, $5 filter, $6 format, $7-$8 headers, sealed, and the id of the key, $9 schedule,
-- $10 timeout, $11 rate, $12-$14 what it has consented to: sender, rate, when
INSERT INTO endpoints (id, tenant, url, types, filter, format, headers, headers_key_id, schedule, timeout,
    rate_per_second, request_origin, allowed_per_minute, consented_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14);
