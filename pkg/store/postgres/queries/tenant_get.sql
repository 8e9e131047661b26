-- $1 id
SELECT id, name, version, created_at, deleted_at FROM tenants WHERE id = $1;
