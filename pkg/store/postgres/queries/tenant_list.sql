-- $1 after this id, $2 how many
SELECT id, name, version, created_at, deleted_at, schema_policy
FROM tenants
WHERE id COLLATE "C" > $1
ORDER BY id COLLATE "C"
LIMIT $2;
