-- Makes a longer span out of shorter ones.
--
-- $1-$2 the span (the end is not in it), $3 its width in minutes, $4 the width of the shorter ones
WITH fine AS MATERIALIZED (
    SELECT * FROM tallies WHERE width = $4::smallint AND at >= $1::timestamptz AND at < $2::timestamptz
), every AS MATERIALIZED (
    SELECT tenant, endpoint, NULL::text AS outcome, NULL::integer AS cell, 0::bigint AS n, succeeded, exhausted, events
    FROM fine
    UNION ALL
    SELECT tenant, endpoint, o.key, NULL, o.value::bigint, 0, 0, 0 FROM fine, jsonb_each_text(outcomes) o
    UNION ALL
    SELECT tenant, endpoint, NULL, c.cell, c.n, 0, 0, 0 FROM fine, unnest(cells, counts) AS c (cell, n)
