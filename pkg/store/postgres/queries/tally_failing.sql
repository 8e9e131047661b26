-- Notes that endpoints have begun to fail or have recovered, and tells of it.
--
-- $1-$5 per endpoint: id, tenant, 1 when it fails now, attempts, successes
WITH judged AS (
    SELECT unnest($1::uuid[]) AS endpoint, unnest($2::text[]) AS tenant, unnest($3::integer[]) = 1 AS failing,
        unnest($4::bigint[]) AS attempts, unnest($5::bigint[]) AS succeeded
), changed AS (
    UPDATE endpoint_health h SET failing_since = CASE WHEN j.failing THEN clock_timestamp() END
    FROM judged j
    WHERE h.endpoint = j.endpoint AND (h.failing_since IS NOT NULL) <> j.failing
    RETURNING j.*
)
INSERT INTO notices (kind, tenant, endpoint, attempts, succeeded)
SELECT CASE WHEN failing THEN 'endpoint.failing' ELSE 'endpoint.recovered' END, tenant, endpoint, attempts, succeeded
FROM changed;
