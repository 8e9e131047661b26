-- Counts of one width.
--
-- $1 age, $2 how many, $3 width
DELETE FROM tallies WHERE (tenant, endpoint, width, at) IN (
    SELECT tenant, endpoint, width, at FROM tallies
    WHERE width = $3::smallint AND at < clock_timestamp() - $1::interval
    ORDER BY at LIMIT $2);
