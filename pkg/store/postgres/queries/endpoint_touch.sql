-- $1 id, $2 tenant
UPDATE endpoints SET version = version + 1 WHERE id = $1 AND tenant = $2 AND status <> 'deleted';
