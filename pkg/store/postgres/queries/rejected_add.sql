-- Keeps a rejected event if its tenant's day has room for it, and returns whether it is kept. One that is there already
-- (its call was repeated) is kept and not counted again. A tenant that is not there, or is being deleted, is none: who
-- gets the id later must not see it.
--
-- $1 id, $2 tenant, $3 reason, $4 detail, $5 headers, $6 body, $7 how many a tenant and day, $8 whether it is whole
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() AS now
), owner AS (
    SELECT coalesce((SELECT id FROM tenants WHERE id = $2 AND deleted_at IS NULL), '') AS tenant
), there AS (
    SELECT EXISTS (SELECT FROM rejected_events WHERE id = $1) AS yes
), counted AS (
    INSERT INTO rejected_counts AS c (tenant, day, kept)
    SELECT owner.tenant, clock.now::date, 1 FROM clock, owner, there WHERE $7::integer > 0 AND NOT there.yes
    ON CONFLICT (tenant, day) DO UPDATE SET kept = c.kept + 1 WHERE c.kept < $7::integer
    RETURNING 1
), added AS (
    INSERT INTO rejected_events (id, tenant, reason, detail, headers, body, rejected_at, whole)
    SELECT $1, owner.tenant, $3, $4, $5, $6, clock.now, $8 FROM counted, owner, clock
    RETURNING 1
)
SELECT there.yes OR EXISTS (SELECT FROM added) FROM there;
