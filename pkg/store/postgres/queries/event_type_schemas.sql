-- The schemas that a tenant's events are held to.
--
-- $1 tenant
SELECT e.name, e.schema, coalesce(nullif(e.schema_policy, ''), t.schema_policy)
FROM event_types e
JOIN tenants t ON t.id = e.tenant
WHERE e.tenant = $1 AND e.schema IS NOT NULL AND coalesce(nullif(e.schema_policy, ''), t.schema_policy) <> 'off'
ORDER BY e.name;
