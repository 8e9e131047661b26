-- $1 age, $2 how many
DELETE FROM jobs WHERE id IN (
    SELECT id FROM jobs WHERE finished_at <= clock_timestamp() - $1::interval ORDER BY finished_at LIMIT $2);
