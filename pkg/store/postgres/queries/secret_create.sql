-- $1 id, $2 endpoint, $3 tenant, $4 kind, $5 id of the key that sealed it, $6 sealed, $7 end
INSERT INTO endpoint_secrets (id, endpoint, tenant, kind, key_id, sealed, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7);
