-- Adds a type to a catalogue that has room for it, and returns nothing when it has not. The tenant's row is locked by then.
--
-- $1 tenant, $2 name, $3 description, $4 schema, $5 example, $6 policy, $7 since when archived, $8 how many there may be
INSERT INTO event_types (tenant, name, description, schema, example, schema_policy, archived_at)
SELECT $1, $2, $3, $4, $5, $6, $7
WHERE (SELECT count(*) FROM event_types WHERE tenant = $1) < $8;
