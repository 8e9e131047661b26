-- $1 tenant, $2 name, $3 the version that is changed, $4 description, $5 schema, $6 example, $7 policy, $8 since when archived
UPDATE event_types SET
    description = $4,
    schema = $5,
    example = $6,
    schema_policy = $7,
    archived_at = $8,
    version = version + 1
WHERE tenant = $1 AND name = $2 AND version = $3;
