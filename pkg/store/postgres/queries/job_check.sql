-- The database's time, and what a job names as far as it is there: whether its tenant is and is not being deleted, the
-- status of its endpoint, whether its event is, and whether that is erased.
--
-- $1 tenant, $2 endpoint (NULL: none), $3 event (NULL: none)
SELECT clock_timestamp(), EXISTS (SELECT FROM tenants WHERE id = $1 AND deleted_at IS NULL),
    (SELECT status::text FROM endpoints WHERE id = $2 AND tenant = $1),
    EXISTS (SELECT FROM events WHERE id = $3 AND tenant = $1),
    EXISTS (SELECT FROM events WHERE id = $3 AND tenant = $1 AND erased_at IS NOT NULL);
