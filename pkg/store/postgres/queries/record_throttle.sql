-- Keeps endpoints from being sent to for a while, never for less than before, and has the reconciler look at each
-- when it may be sent to again.
--
-- $1-$2 per endpoint, sorted and each once: its id, for how long
-- $3-$4 the tenants, each once; per endpoint, the position of its tenant there
UPDATE endpoints e SET
    throttled_until = clock.now + ($2::interval[])[width_bucket(e.id, $1::uuid[])],
    wake_at = CASE e.status WHEN 'active' THEN clock.now + ($2::interval[])[width_bucket(e.id, $1::uuid[])]
        ELSE e.wake_at END
FROM (SELECT clock_timestamp() AS now) clock
WHERE e.id = ANY ($1::uuid[]) AND e.tenant = ($3::text[])[($4::integer[])[width_bucket(e.id, $1::uuid[])]]
    AND coalesce(e.throttled_until < clock.now + ($2::interval[])[width_bucket(e.id, $1::uuid[])], true);
