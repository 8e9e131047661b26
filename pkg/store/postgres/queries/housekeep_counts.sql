-- The counts of days that are over. A day has at most one row a tenant.
--
-- $1 age, $2 how many
DELETE FROM rejected_counts WHERE (tenant, day) IN (
    SELECT tenant, day FROM rejected_counts WHERE day < (clock_timestamp() - $1::interval)::date - 1
    LIMIT $2);
