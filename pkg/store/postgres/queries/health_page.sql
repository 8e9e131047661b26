-- What is known of the endpoints of a page besides their settings, and the sums of their attempts since a time.
--
-- $1 endpoints, $2 tenant, $3 since
SELECT e.id, e.status_at, h.last_success_at, h.last_failure_at, h.failure_delivery, h.failure_outcome, h.failure_status,
    h.failing_since, counted.as_of, coalesce(c.sent, 0), coalesce(c.succeeded, 0)
FROM endpoints e
CROSS JOIN (
    SELECT counted_until() AS as_of, date_bin('1 hour', through, '2000-01-01 00:00+00') AS hours,
        date_bin('5 min', through, '2000-01-01 00:00+00') AS spans
    FROM tallied
) counted
LEFT JOIN endpoint_health h ON h.endpoint = e.id
LEFT JOIN LATERAL (
    SELECT sum(o.n::bigint) FILTER (WHERE o.outcome NOT IN ('interrupted', 'unsent')) AS sent,
        sum(o.n::bigint) FILTER (WHERE o.outcome = 'success') AS succeeded
    FROM tallies t
    CROSS JOIN LATERAL jsonb_each_text(t.outcomes) o (outcome, n)
    WHERE t.tenant = $2 AND t.endpoint = e.id AND t.at >= $3
        -- By the hour where hours are made, and so on, as in tally_list.sql: ranges of the key, and nothing read in vain.
        AND (t.width = 60 AND t.at < counted.hours
            OR t.width = 5 AND t.at >= counted.hours AND t.at < counted.spans
            OR t.width = 0 AND t.at >= counted.spans)
) c ON true
WHERE e.id = ANY ($1::uuid[]) AND e.tenant = $2;
