-- $1 id, $2 name, $3 the version that is changed, $4 schema policy
UPDATE tenants SET name = $2, schema_policy = $4, version = version + 1, config_version = config_version + 1
WHERE id = $1 AND version = $3 AND deleted_at IS NULL;
