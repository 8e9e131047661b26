-- $1 id, $2 tenant, $3 name, $4 hash, $5 end
INSERT INTO api_keys (id, tenant, name, hash, expires_at) VALUES ($1, $2, $3, $4, $5);
