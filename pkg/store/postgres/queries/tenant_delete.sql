-- Begins to delete a tenant. What was matched with its endpoints before is stale from now on.
--
-- $1 id
UPDATE tenants SET
    version = CASE WHEN deleted_at IS NULL THEN version + 1 ELSE version END,
    config_version = CASE WHEN deleted_at IS NULL THEN config_version + 1 ELSE config_version END,
    deleted_at = coalesce(deleted_at, clock_timestamp())
WHERE id = $1
RETURNING clock_timestamp();
