-- Makes an hour out of its short spans.
--
-- $1-$2 the hour, $3 the width of an hour in minutes
WITH fine AS MATERIALIZED (
    SELECT * FROM tallies WHERE width = 5 AND at >= $1::timestamptz AND at < $2::timestamptz
), every AS MATERIALIZED (
    SELECT tenant, endpoint, NULL::text AS outcome, NULL::integer AS cell, 0::bigint AS n, succeeded, exhausted, events
    FROM fine
    UNION ALL
    SELECT tenant, endpoint, o.key, NULL, o.value::bigint, 0, 0, 0 FROM fine, jsonb_each_text(outcomes) o
    UNION ALL
    SELECT tenant, endpoint, NULL, c.cell, c.n, 0, 0, 0 FROM fine, unnest(cells, counts) AS c (cell, n)
