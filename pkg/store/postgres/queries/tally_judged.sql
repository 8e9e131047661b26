-- How the attempts of a window ended, for each endpoint that had some or that is failing, and whether it is.
--
-- $1 the length of the window
SELECT h.endpoint, h.tenant, h.failing_since IS NOT NULL, coalesce(t.sent, 0)::bigint, coalesce(t.success, 0)::bigint
FROM endpoint_health h
LEFT JOIN (
    SELECT endpoint, sum(o.value::bigint) FILTER (WHERE o.key NOT IN ('interrupted', 'unsent')) AS sent,
        sum(o.value::bigint) FILTER (WHERE o.key = 'success') AS success
    FROM (SELECT date_bin('5 min', through, '2000-01-01 00:00+00') AS spans FROM tallied) made
    CROSS JOIN tallies
    CROSS JOIN LATERAL jsonb_each_text(outcomes) o
    WHERE width IN (0, 5) AND width = CASE WHEN at < made.spans THEN 5 ELSE 0 END
        AND at > clock_timestamp() - $1::interval AND endpoint <> '00000000-0000-0000-0000-000000000000'::uuid
        AND date_bin('5 min', at, '2000-01-01 00:00+00') > clock_timestamp() - $1::interval
    GROUP BY endpoint
) t ON t.endpoint = h.endpoint
JOIN endpoints e ON e.id = h.endpoint AND e.status <> 'deleted'
WHERE t.endpoint IS NOT NULL OR h.failing_since IS NOT NULL;
