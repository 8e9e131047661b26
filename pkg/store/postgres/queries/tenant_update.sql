-- $1 id, $2 name, $3 the version that is changed
UPDATE tenants SET name = $2, version = version + 1 WHERE id = $1 AND version = $3 AND deleted_at IS NULL;
