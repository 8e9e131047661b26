-- $1 ids
UPDATE notices SET told_at = clock_timestamp() WHERE id = ANY ($1::uuid[]) AND told_at IS NULL;
