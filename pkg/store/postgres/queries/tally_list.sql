-- The counts of an endpoint, or of a tenant (an endpoint of zeros), in order: by the hour as far as hours are made, when
-- that is asked for, and by short spans from there on.
--
-- $1 tenant, $2 endpoint, $3-$4 from and until (not included), $5 whether by the hour
SELECT t.at, t.events, t.succeeded, t.exhausted, t.outcomes, t.cells, t.counts
FROM tallies t
CROSS JOIN (SELECT date_trunc('hour', through) AS whole FROM tallied) made
WHERE t.tenant = $1 AND t.endpoint = $2 AND t.at >= $3::timestamptz AND t.at < $4::timestamptz
    AND CASE WHEN $5::boolean AND t.at < made.whole THEN t.width = 60 ELSE t.width = 5 END
ORDER BY t.at;
