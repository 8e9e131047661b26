), outcomes AS (
    SELECT tenant, endpoint, jsonb_object_agg(outcome, n) AS outcomes
    FROM (SELECT tenant, endpoint, outcome, sum(n) AS n FROM every WHERE outcome IS NOT NULL GROUP BY 1, 2, 3) o
    GROUP BY tenant, endpoint
), latencies AS (
    SELECT tenant, endpoint, array_agg(cell ORDER BY cell) AS cells, array_agg(n::bigint ORDER BY cell) AS counts
    FROM (SELECT tenant, endpoint, cell, sum(n) AS n FROM every WHERE cell IS NOT NULL GROUP BY 1, 2, 3) c
    GROUP BY tenant, endpoint
), sums AS (
    SELECT tenant, endpoint, sum(events) AS events, sum(succeeded) AS succeeded, sum(exhausted) AS exhausted
    FROM every
    GROUP BY tenant, endpoint
)
INSERT INTO tallies (width, at, tenant, endpoint, events, succeeded, exhausted, outcomes, cells, counts)
SELECT $3::smallint, $1::timestamptz, s.tenant, s.endpoint, s.events, s.succeeded, s.exhausted,
    coalesce(o.outcomes, '{}'), coalesce(l.cells, '{}'), coalesce(l.counts, '{}')
FROM sums s
LEFT JOIN outcomes o ON o.tenant = s.tenant AND o.endpoint = s.endpoint
LEFT JOIN latencies l ON l.tenant = s.tenant AND l.endpoint = s.endpoint;
