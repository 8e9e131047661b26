-- Deletes endpoints of a tenant that is being deleted: from now on nothing is claimed for them.
--
-- $1 tenant, $2 how many
UPDATE endpoints SET status = 'deleted', status_reason = 'the tenant was deleted', deleted_at = clock_timestamp(),
    paused_at = NULL, wake_at = NULL, version = version + 1
WHERE id IN (SELECT id FROM endpoints WHERE tenant = $1 AND status <> 'deleted' ORDER BY id LIMIT $2);
