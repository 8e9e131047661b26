-- $1 id
SELECT id, name, version, created_at, deleted_at, schema_policy FROM tenants WHERE id = $1;
