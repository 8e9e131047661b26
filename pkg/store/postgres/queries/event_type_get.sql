-- $1 tenant, $2 name
SELECT tenant, name, description, schema, example, schema_policy, archived_at, version, created_at
FROM event_types
WHERE tenant = $1 AND name = $2;
