-- Lets the secrets of a kind end after an overlap, and none later than it would have.
--
-- $1 endpoint, $2 kind, $3 overlap
UPDATE endpoint_secrets SET expires_at = least(expires_at, clock_timestamp() + $3::interval)
WHERE endpoint = $1 AND kind = $2;
