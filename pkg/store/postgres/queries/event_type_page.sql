-- $1 tenant, $2 later than this name, $3 a part of name or description ('': any), $4 whether also archived ones, $5 how many
SELECT tenant, name, description, schema, example, schema_policy, archived_at, version, created_at
FROM event_types
WHERE tenant = $1 AND name > $2 AND ($4 OR archived_at IS NULL)
    AND ($3 = '' OR position(lower($3) IN lower(name || E'\n' || description)) > 0)
ORDER BY name
LIMIT $5;
