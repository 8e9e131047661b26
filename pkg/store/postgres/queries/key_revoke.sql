-- Revokes a key, and returns whether that changed anything. The first revocation counts.
--
-- $1 id, $2 tenant ('': an operator's)
WITH found AS (
    SELECT id, revoked_at IS NULL AS valid FROM api_keys WHERE id = $1 AND coalesce(tenant, '') = $2 FOR UPDATE
), revoked AS (
    UPDATE api_keys k SET revoked_at = clock_timestamp() FROM found WHERE k.id = found.id AND found.valid
)
SELECT valid FROM found;
