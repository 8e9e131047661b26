-- The counts of an endpoint, or of a tenant (an endpoint of zeros), in order: by the hour as far as hours are made, when
-- that is asked for; by spans as far as those are made; and by the slices of the span that is not over, which have its
-- beginning here.
--
-- $1 tenant, $2 endpoint, $3-$4 from and until (not included), $5 whether by the hour
SELECT date_bin('5 min', t.at, '2000-01-01 00:00+00') AS span, t.events, t.succeeded, t.exhausted, t.outcomes, t.cells,
    t.counts
FROM tallies t
CROSS JOIN (
    SELECT date_bin('1 hour', through, '2000-01-01 00:00+00') AS hours,
        date_bin('5 min', through, '2000-01-01 00:00+00') AS spans
    FROM tallied
) made
WHERE t.tenant = $1 AND t.endpoint = $2 AND t.at >= $3::timestamptz AND t.at < $4::timestamptz + interval '5 min'
    AND date_bin('5 min', t.at, '2000-01-01 00:00+00') >= $3::timestamptz
    AND date_bin('5 min', t.at, '2000-01-01 00:00+00') < $4::timestamptz
    AND CASE WHEN $5::boolean AND t.at < made.hours THEN t.width = 60 WHEN t.at < made.spans THEN t.width = 5
        ELSE t.width = 0 END
ORDER BY t.at;
