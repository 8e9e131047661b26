-- $1 id, $2 tenant (NULL: an operator's), $3 name, $4 hash, $5 scopes, $6 end, $7 kind
INSERT INTO api_keys (id, tenant, name, hash, scopes, expires_at, kind) VALUES ($1, $2, $3, $4, $5, $6, $7);
